//! What is found out about the request under way, for whoever has to explain its refusal later.
//!
//! Kept like the trace id: in a thread-local that is set while the request's future is polled. So every room can say what it saw
//! without being handed something to say it to, and a request that nobody refuses allocates nothing: what is noted is noted where
//! something is refused.
//!
//! A note says what was presented and what was expected. It never holds a secret, a code, a token, a cookie or a password, nor
//! what somebody typed as their name, where many a password has been typed.

use std::cell::Cell;
use std::fmt::{self, Display, Write};

/// The most notes of one request.
pub const MAX_NOTES: usize = 16;

/// The most characters of one note.
pub const MAX_NOTE: usize = 256;

thread_local! {
    static CURRENT: Cell<Option<Findings>> = const { Cell::new(None) };
}

/// What was found out about one request. Nothing, as a rule.
#[derive(Debug, Default)]
pub struct Findings(Option<Box<Found>>);

/// What there was to find out.
#[derive(Debug, Default)]
pub struct Found {
    /// The exact reason, as the audit log has it.
    refused: Option<&'static str>,
    /// The reason that the answer was made with, which may be less exact; and whether it is a fault of the server's.
    answered: Option<(&'static str, bool)>,
    /// What was being done, where the route alone doesn't tell.
    pub procedure: Option<&'static str>,
    /// A registered client.
    pub client_id: Option<String>,
    pub notes: Vec<Note>,
}

/// What one check saw.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Note {
    /// The check's name.
    pub check: String,
    /// What it is that was seen.
    pub name: String,
    pub value: String,
}

impl Findings {
    /// Runs `work` and keeps what it says meanwhile.
    pub fn collect<T>(&mut self, work: impl FnOnce() -> T) -> T {
        /// Takes back what was found, in a panic too.
        struct Collecting<'a> {
            findings: &'a mut Findings,
            former: Option<Findings>,
        }
        impl Drop for Collecting<'_> {
            fn drop(&mut self) {
                *self.findings = CURRENT.replace(self.former.take()).unwrap_or_default();
            }
        }
        let former = CURRENT.replace(Some(std::mem::take(self)));
        let _collecting = Collecting { findings: self, former };
        work()
    }

    pub fn take(&mut self) -> Option<Box<Found>> {
        self.0.take()
    }
}

impl Found {
    /// Why the request was refused. A fault of the server's goes before all that was found until then: the answer is about it.
    pub fn reason(&self) -> Option<&'static str> {
        match self.answered {
            Some((fault, true)) => Some(fault),
            answered => self.refused.or(answered.map(|(reason, _)| reason)),
        }
    }
}

/// The request is refused for this reason, the exact one. The first counts: what says so later knows less.
pub fn refused(reason: &'static str) {
    change(|found| found.refused = found.refused.or(Some(reason)));
}

/// The request is answered with this reason, which is the exact one if nobody said [`refused`].
pub fn answered(reason: &'static str, is_fault: bool) {
    change(|found| found.answered = Some((reason, is_fault)));
}

/// It is this procedure, where the route alone doesn't tell.
pub fn procedure(name: &'static str) {
    change(|found| found.procedure = Some(name));
}

/// It is about this registered client.
pub fn client(id: &impl Display) {
    change(|found| found.client_id = Some(bounded(id)));
}

/// What the check of this name saw. To be called where something is refused, and never with a secret.
pub fn note(check: &'static str, name: &'static str, value: impl Display) {
    change(|found| {
        if found.notes.len() < MAX_NOTES {
            found.notes.push(Note { check: check.to_owned(), name: name.to_owned(), value: bounded(&value) });
        }
    });
}

/// Outside a request there is nobody to explain anything to.
fn change(change: impl FnOnce(&mut Found)) {
    let Some(mut findings) = CURRENT.take() else { return };
    change(findings.0.get_or_insert_default());
    CURRENT.set(Some(findings));
}

/// Never more than [`MAX_NOTE`] characters are kept, or made.
fn bounded(value: &impl Display) -> String {
    struct Bounded {
        text: String,
        room: usize,
    }
    impl Write for Bounded {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for character in text.chars() {
                if self.room == 0 {
                    self.text.push('…');
                    return Err(fmt::Error);
                }
                self.room -= 1;
                self.text.push(character);
            }
            Ok(())
        }
    }
    let mut kept = Bounded { text: String::new(), room: MAX_NOTE };
    // It fails when there is no more room, and then enough is kept.
    let _ = write!(kept, "{value}");
    kept.text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(work: impl FnOnce()) -> Option<Box<Found>> {
        let mut findings = Findings::default();
        findings.collect(work);
        findings.take()
    }

    #[test]
    fn a_request_about_which_nothing_is_said_keeps_nothing() {
        assert!(found(|| ()).is_none());
    }

    #[test]
    fn outside_a_request_nothing_is_kept() {
        refused("early");
        note("a", "b", "c");
        assert!(found(|| ()).is_none());
    }

    #[test]
    fn the_first_exact_reason_counts_and_a_fault_more() {
        let reason = |work: fn()| found(work).and_then(|found| found.reason());
        assert_eq!(reason(|| answered("invalid", false)), Some("invalid"));
        assert_eq!(
            reason(|| {
                refused("wrong_password");
                refused("later");
                answered("invalid", false);
            }),
            Some("wrong_password")
        );
        assert_eq!(
            reason(|| {
                refused("wrong_password");
                answered("storage_unavailable", true);
            }),
            Some("storage_unavailable")
        );
    }

    #[test]
    fn notes_are_few_and_short() {
        let found = found(|| {
            for _ in 0..100 {
                note("check", "name", "ü".repeat(1_000));
            }
        });
        let notes = found.unwrap().notes;
        assert_eq!(notes.len(), MAX_NOTES);
        assert_eq!(notes[0].value.chars().count(), MAX_NOTE + 1);
        assert!(notes[0].value.ends_with('…'));
    }

    #[test]
    fn two_requests_on_one_thread_do_not_mix_and_a_panic_loses_nothing() {
        let (mut one, mut other) = (Findings::default(), Findings::default());
        one.collect(|| refused("one"));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            other.collect(|| {
                refused("other");
                std::panic::resume_unwind(Box::new(()));
            });
        }));
        assert!(panicked.is_err());
        one.collect(|| note("check", "seen", 1));
        let (one, other) = (one.take().unwrap(), other.take().unwrap());
        assert_eq!((one.reason(), one.notes.len()), (Some("one"), 1));
        assert_eq!((other.reason(), other.notes.len()), (Some("other"), 0));
    }
}
