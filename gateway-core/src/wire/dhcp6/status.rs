//! Status codes (RFC 8415 section 21.13, RFC 5007 section 4.1.3, RFC 5460 section 5.5).

use std::borrow::Cow;

use crate::octets::shown;

/// A status code option, read in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status<'a> {
    /// [`SUCCESS`] and its siblings; any other is a failure.
    pub code: u16,
    /// What it says to people: UTF-8 by the RFC, anything in fact.
    pub text: &'a [u8],
}

impl<'a> Status<'a> {
    /// The text, with replacement characters for what is not UTF-8, and for what a terminal would act upon.
    pub fn text(&self) -> Cow<'a, str> {
        shown(self.text)
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal $text:literal),* $(,)?) => {
        $(#[doc = $text] pub const $name: u16 = $code;)*

        /// The registry's name; `None` for a code that has none here.
        pub fn name(code: u16) -> Option<&'static str> {
            match code {
                $($name => Some($text),)*
                _ => None,
            }
        }
    };
}

codes! {
    SUCCESS = 0 "Success",
    UNSPEC_FAIL = 1 "UnspecFail",
    NO_ADDRS_AVAIL = 2 "NoAddrsAvail",
    NO_BINDING = 3 "NoBinding",
    NOT_ON_LINK = 4 "NotOnLink",
    USE_MULTICAST = 5 "UseMulticast",
    NO_PREFIX_AVAIL = 6 "NoPrefixAvail",
    UNKNOWN_QUERY_TYPE = 7 "UnknownQueryType",
    MALFORMED_QUERY = 8 "MalformedQuery",
    NOT_CONFIGURED = 9 "NotConfigured",
    NOT_ALLOWED = 10 "NotAllowed",
    QUERY_TERMINATED = 11 "QueryTerminated",
}
