//! `store` of `[dhcp_server]`: a directory, or the URL of a PostgreSQL database that several servers share.

use std::path::{Path, PathBuf};

use gateway_server::{Place as Store, Postgres};

use super::reader::{At, Reader, Section};
use super::secret::open_to_others;

/// Where leases are without a word about it.
const DEFAULT: &str = "/var/lib/gateway/leases";
const WOULD_DO: &str = "an absolute path, or the URL of a database, such as \"postgres://gateway@db.example.net/dhcp\"";
const PASSWORD_FILE: &str = "store_password_file";

/// Reads `store` and `store_password_file`. `file` is the configuration's.
pub(super) fn read(reader: &Reader<'_>, section: &Section<'_, '_>, file: &Path) -> Store {
    let store = section.read("store", WOULD_DO, |raw| raw.as_str().map(str::to_owned));
    let password = section.optional::<PathBuf>(PASSWORD_FILE);
    match store {
        Some(At { value, place }) if value.contains("://") => {
            // The URL may hold a password, even if it is wrong.
            let place = place.hidden_as("a URL");
            let database = match Postgres::new(&value) {
                Ok(database) if Postgres::is_url(&value) => database,
                other => {
                    match other.err() {
                        Some(why) if Postgres::is_url(&value) => reader.wrong_because(&place, why, WOULD_DO),
                        _ => reader.wrong(&place, WOULD_DO),
                    }
                    return DEFAULT.into();
                }
            };
            if database.has_password() && password.is_some() {
                reader.wrong_because(&place, format!("with a password beside {PASSWORD_FILE}"), "one of the two");
            } else if let Some(mode) = open_to_others(file).filter(|_| database.has_password()) {
                let why = format!("with a password, in a file that others may read (mode {mode:o})");
                let would_do = format!("chmod 600 {}, or {PASSWORD_FILE} = a file of its own", file.display());
                reader.wrong_because(&place, why, would_do);
            }
            if let Some(named) = &password
                && let Some(mode) = open_to_others(&named.value)
            {
                let why = format!("which others may read (mode {mode:o})");
                reader.wrong_because(&named.place, why, format!("chmod 600 {}", named.value.display()));
            }
            let password_file = password.map(|named| named.value);
            Store::Postgres(Box::new(database.with_password_file(password_file)))
        }
        Some(At { value, place }) => {
            if !value.starts_with('/') {
                reader.wrong(&place, WOULD_DO);
            }
            beside_no_database(reader, password);
            value.into()
        }
        None => {
            beside_no_database(reader, password);
            DEFAULT.into()
        }
    }
}

fn beside_no_database(reader: &Reader<'_>, password: Option<At<PathBuf>>) {
    if let Some(named) = password {
        reader.wrong_because(&named.place, "without a database", "store = the URL of one, or no such line");
    }
}
