//! Keys of relay authentication, from the file itself or from files of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gateway_common::unit::UnitKey;
use gateway_core::wire::relay_auth::{Algorithm, Key};

use super::reader::{At, Reader, Section};
use super::value::{Hex, hex};

/// Reads `key_id`, `key` or `key_file`, `algorithm` and `zero_key_id`. RFC 2104 wants keys of at least the MAC's length.
pub(super) fn read(reader: &Reader<'_>, section: &Section<'_, '_>, file: &Path) -> Option<Key> {
    let id = section.required::<u32>("key_id");
    let algorithm = section.choice(
        "algorithm",
        Algorithm::HmacSha1,
        &[("hmac-sha1", Algorithm::HmacSha1), ("hmac-sha256", Algorithm::HmacSha256)],
    );
    let zero_key_id = section.or("zero_key_id", false);
    let has_one = section.has(&["key", "key_file"]);
    if !has_one {
        section.require_either(
            "key_file",
            &["key", "key_file"],
            "a file with the key in hexadecimal (`openssl rand -hex 32`)",
        );
    }
    let secret = octets(reader, section, file, "key", "key_file")?;
    Some(Key { id: id?.value, secret: secret.into(), algorithm, zero_key_id, relay: 0 })
}

/// The octets that `key` has, or the file that `key_file` names; `None` when there is neither, or a mistake was kept. Shorter
/// than 16 octets is refused.
pub(super) fn octets(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    file: &Path,
    key: &'static str,
    key_file: &'static str,
) -> Option<Vec<u8>> {
    let inline = section.optional::<Hex>(key);
    let named = section.read(key_file, "the path of a file with the key in hexadecimal", |raw| {
        raw.as_str().filter(|path| !path.is_empty()).map(PathBuf::from)
    });
    let (secret, place) = match (inline, named) {
        (Some(inline), None) => {
            if let Some(mode) = open_to_others(file) {
                let why = format!("in a file that others may read (mode {mode:o})");
                reader.wrong_because(
                    &inline.place.clone().hidden(),
                    why,
                    format!("chmod 600 {}, or {key_file} = a file of its own", file.display()),
                );
            }
            (inline.value.0, inline.place.hidden())
        }
        (None, Some(named)) => (from_file(reader, &named, file, 32)?, named.place),
        (Some(inline), Some(_)) => {
            reader.wrong_because(
                &inline.place.hidden(),
                format!("beside {key_file}"),
                format!("one of {key} and {key_file}"),
            );
            return None;
        }
        (None, None) => return None,
    };
    if secret.len() < 16 {
        reader.wrong_because(
            &place,
            format!("with a key of only {}", crate::cli::text::counted(secret.len() as u64, "octet")),
            "at least 16 octets, such as `openssl rand -hex 32` prints",
        );
    }
    Some(secret)
}

/// Reads `unit_key_file` of `[cluster]`: a file with 16 octets that are not all zero. Without it there is no key.
pub(super) fn unit_key(reader: &Reader<'_>, section: &Section<'_, '_>, file: &Path) -> UnitKey {
    let named = section.read("unit_key_file", "the path of a file with 16 octets in hexadecimal", |raw| {
        raw.as_str().filter(|path| !path.is_empty()).map(PathBuf::from)
    });
    let Some(named) = named else { return UnitKey::NONE };
    let Some(octets) = from_file(reader, &named, file, 16) else { return UnitKey::NONE };
    match <[u8; 16]>::try_from(octets).map(UnitKey::new) {
        Ok(key) if key != UnitKey::NONE => key,
        _ => {
            reader.wrong_because(
                &named.place,
                "whose key is not one of 16 octets",
                "16 octets, as `openssl rand -hex 16` prints",
            );
            UnitKey::NONE
        }
    }
}

/// The octets of a file with a key, which lies beside `file` unless it says where. A key of `length` octets would do.
fn from_file(reader: &Reader<'_>, named: &At<PathBuf>, file: &Path, length: usize) -> Option<Vec<u8>> {
    let path = file.parent().unwrap_or(Path::new("/")).join(&named.value);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let path = path.display();
            let would_do =
                format!("a file with the key: `openssl rand -hex {length} > {path}; chmod 600 {path}` makes one");
            reader.wrong_because(&named.place, format!("({error})"), would_do);
            return None;
        }
    };
    if let Some(mode) = open_to_others(&path) {
        let why = format!("which others may read (mode {mode:o})");
        reader.wrong_because(&named.place, why, format!("chmod 600 {}", path.display()));
    }
    let octets = hex(text.trim());
    if octets.is_none() {
        let would_do = format!("hexadecimal octets, such as `openssl rand -hex {length}` prints");
        reader.wrong_because(&named.place, "whose text is not a key", would_do);
    }
    octets
}

/// The mode of a file that more than its owner may read.
pub(crate) fn open_to_others(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}
