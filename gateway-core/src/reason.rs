//! Reasons: an enum with a name for each of its values, and how often each occurred.

/// Defines `Reason`, and `Counters` of it, where it is called.
macro_rules! reasons {
    ($(#[$doc:meta])* pub enum Reason { $($(#[$reason_doc:meta])* $reason:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Reason {
            $($(#[$reason_doc])* $reason,)+
        }

        impl Reason {
            /// Every reason, in order.
            pub const ALL: &[Self] = &[$(Self::$reason),+];

            /// A name for metrics and logs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)+
                }
            }
        }

        /// How often each [`Reason`] occurred.
        #[derive(Clone, Debug, Default)]
        pub struct Counters([u64; Reason::ALL.len()]);

        impl Counters {
            /// How often.
            pub fn get(&self, reason: Reason) -> u64 {
                self.0[reason as usize]
            }

            /// Every reason with its count.
            pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
                Reason::ALL.iter().map(|reason| (*reason, self.get(*reason)))
            }

            pub(super) fn add(&mut self, reason: Reason) {
                self.0[reason as usize] += 1;
            }
        }
    };
}

pub(crate) use reasons;
