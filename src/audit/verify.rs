//! Verifies the audit log: entry by entry, in bounded memory, from the database or from an export of it.
//!
//! The chain says whether an entry is as it was sealed, its mark whether this installation wrote it, and checkpoints, above all those
//! that were copied elsewhere, whether the chain is as long as it was. docs/audit.md says what each finding means.

mod anchors;
mod report;

use std::sync::Arc;

pub use anchors::Anchors;
pub use report::{Fault, Finding, Report};

use self::report::finding;
use super::pages::{Columns, Item};
use crate::keys::evidence::{EvidenceKey, digest};
use crate::protocol::evidence::Checkpoint;
use crate::protocol::jwt::decode;
use crate::protocol::time::Timestamp;
use crate::storage::audit::chain::{Head, Row, Sealed};

/// Findings that are kept; after these they are only counted.
const MOST: usize = 100;

/// Of an entry that is as it was sealed, and has no mark of ours.
const NOT_OURS: &str = "it was sealed, but not written by this installation";

/// Of an entry of ours that is sealed, or waits to be, after everything as old was deleted.
const PLAYED_BACK: &str = "it is older than what had been deleted for its age by then: somebody kept a copy, and put it back";

/// Of a gap.
const TAKEN_OUT: &str = "entries were taken out";

/// Of a checkpoint that stands in a gap.
const NOT_THERE: &str = "a checkpoint vouches for entries that are not there";

/// How many entries that were taken out between two that were renumbered are looked for.
const RENUMBERED: i64 = 64;

/// Takes the log in and judges it.
#[derive(Debug)]
pub struct Verifier {
    key: Arc<EvidenceKey>,
    anchors: Anchors,
    report: Report,
    end: End,
    checkpoint: Option<(Checkpoint, String)>,
    /// How many entries were inserted, less those that were taken out, where what follows was renumbered.
    shift: i64,
    suspect: Option<Suspect>,
    pruned_until: i64,
    /// What happened before this was deleted for its age by the entry that comes next.
    pruned_before: Option<Timestamp>,
    /// Whether the first entry follows the beginning, or what a checkpoint vouches for.
    begins_at_checkpoint: bool,
}

/// Where the chain stands.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Nothing has come yet.
    Nowhere,
    /// After this entry, whose seal is known if it has the right length.
    After(i64, Option<[u8; 32]>),
}

/// An entry whose seal is wrong: the one after it tells why.
#[derive(Debug)]
struct Suspect {
    previous: [u8; 32],
    sequence: i64,
    /// What its seal should be.
    seal: [u8; 32],
    finding: Option<usize>,
}

impl Verifier {
    pub fn new(key: Arc<EvidenceKey>, anchors: Anchors) -> Self {
        let report = Report { copies: anchors.count(), ..Report::default() };
        let mut verifier = Self {
            key,
            report,
            end: End::Nowhere,
            checkpoint: None,
            shift: 0,
            suspect: None,
            pruned_until: 0,
            pruned_before: None,
            begins_at_checkpoint: false,
            anchors,
        };
        for _ in 0..verifier.anchors.forged {
            verifier.found(Fault::Forged, None, None, None, "a copy of a checkpoint was not signed by this installation");
        }
        verifier
    }

    pub fn take(&mut self, item: Item) {
        match item {
            Item::Entry(entry) => self.entry(&entry),
            Item::Checkpoint(signed, columns) => self.checkpoint(signed, columns),
            Item::Waiting(row, copied) => self.waiting(&row, copied),
        }
    }

    fn entry(&mut self, entry: &Sealed) {
        if entry.sequence <= Head::BEGINNING.sequence {
            self.found(Fault::Inserted, Some(entry.sequence), None, Some(entry), "it was put before the beginning of the chain");
            return;
        }
        let sequence = entry.sequence - self.shift;
        let previous = self.link(sequence, entry);
        let ours = self.key.is_ours(&entry.row);
        let seal = <[u8; 32]>::try_from(entry.seal.as_slice()).ok();
        self.report.entries += 1;
        if self.report.first.is_none() {
            self.report.first = Some(entry.sequence);
            self.begins_at_checkpoint = previous.is_some();
        }
        self.report.last = Some(entry.sequence);
        let expected = previous.map(|previous| self.key.seal(&previous, sequence, &entry.row));
        let suspect = self.suspect.take();
        if seal.is_none() {
            // Nothing could be said of the entry after it.
            self.found(Fault::Edited, Some(entry.sequence), None, Some(entry), "its seal was changed");
        } else if expected.is_none() && !ours && entry.row.mac.is_some() {
            self.found(Fault::Edited, Some(entry.sequence), None, Some(entry), "it is not as it was written");
        } else if expected.is_none() || expected == seal {
            self.marked(entry, ours);
        } else if !suspect.is_some_and(|suspect| self.explains(&suspect, entry, seal)) {
            let (fault, what) = if ours {
                (Fault::Deleted, "it is as it was written: entries before it were taken out, or its seal was changed")
            } else {
                (Fault::Edited, "it is not as it was sealed")
            };
            let finding = self.found(fault, Some(entry.sequence), None, Some(entry), what);
            if let (Some(previous), Some(seal)) = (previous, expected) {
                self.suspect = Some(Suspect { previous, sequence, seal, finding });
            }
        }
        if ours && entry.row.kind == "audit.pruned" {
            self.pruned(&entry.row);
        }
        let sequence = entry.sequence - self.shift;
        self.end = End::After(sequence, seal);
        if let Some(seal) = seal
            && self.shift == 0
        {
            self.compare_copies(sequence, &seal);
        }
    }

    /// The seal that the entry must follow, if it is known. Says what is missing before it.
    fn link(&mut self, sequence: i64, entry: &Sealed) -> Option<[u8; 32]> {
        match self.end {
            End::Nowhere if sequence == 1 => Some(Head::BEGINNING.seal),
            End::Nowhere => None,
            End::After(last, seal) if sequence == last + 1 => seal,
            // How much may be missing at the beginning is judged at the end.
            End::After(last, _) if sequence > last && self.report.entries == 0 => None,
            End::After(last, _) if sequence > last => {
                self.found(Fault::Deleted, Some(last + 1), Some(sequence - 1), None, TAKEN_OUT);
                None
            }
            End::After(..) => {
                self.found(Fault::Inserted, Some(entry.sequence), None, Some(entry), "it comes a second time");
                None
            }
        }
    }

    /// Whether this entry is as it was sealed, once it is known what was done to the one before it.
    fn explains(&mut self, suspect: &Suspect, entry: &Sealed, seal: Option<[u8; 32]>) -> bool {
        let sequence = entry.sequence - self.shift;
        let is = |previous: &[u8; 32], sequence| Some(self.key.seal(previous, sequence, &entry.row)) == seal;
        let stored = if let End::After(_, Some(seal)) = self.end { seal } else { suspect.seal };
        let (fault, what, shift) = if is(&suspect.seal, sequence) {
            (Fault::Edited, "its seal was changed", 0)
        } else if is(&suspect.previous, suspect.sequence) {
            (Fault::Inserted, "it was put between two others, and those after it were renumbered", 1)
        } else if let Some(gone) = (1..=RENUMBERED).find(|gone| is(&stored, sequence + gone)) {
            (Fault::Deleted, "entries before it were taken out, and those after them were renumbered", -gone)
        } else {
            return false;
        };
        self.shift += shift;
        if let Some(finding) = suspect.finding.and_then(|at| self.report.findings.get_mut(at)) {
            (finding.fault, finding.what) = (fault, what);
        }
        true
    }

    /// An entry that is as it was sealed: did we write it?
    fn marked(&mut self, entry: &Sealed, ours: bool) {
        if !ours {
            self.found(Fault::Inserted, Some(entry.sequence), None, Some(entry), NOT_OURS);
        } else if self.pruned_before.is_some_and(|before| entry.row.occurred_at < before) {
            self.found(Fault::Inserted, Some(entry.sequence), None, Some(entry), PLAYED_BACK);
        }
    }

    fn checkpoint(&mut self, signed: String, columns: Option<Columns>) {
        self.report.checkpoints += 1;
        let Some(checkpoint) = self.key.checkpoint(&signed) else {
            self.found(Fault::Forged, None, None, None, "a checkpoint was not signed by this installation, or was changed");
            return;
        };
        let says = |(number, sequence, made_at): Columns| {
            (number, sequence, made_at.as_seconds()) == (checkpoint.number, checkpoint.sequence, checkpoint.iat)
        };
        if !columns.is_none_or(says) {
            let what = "the columns of a checkpoint say other than what was signed";
            self.found(Fault::Forged, Some(checkpoint.sequence), None, None, what);
        }
        if let Some((before, text)) = &self.checkpoint {
            if checkpoint.number != before.number + 1 {
                self.found(
                    Fault::Forged,
                    Some(checkpoint.sequence),
                    None,
                    None,
                    "checkpoints before this one's entry were taken out",
                );
            } else if checkpoint.previous.as_deref() != Some(digest(text).as_str()) {
                self.found(Fault::Forged, Some(checkpoint.sequence), None, None, "a checkpoint does not follow the one before");
            }
        }
        let seal = decode(&checkpoint.seal).ok().and_then(|seal| <[u8; 32]>::try_from(seal).ok());
        if self.anchors.contradict(checkpoint.number, &signed) {
            let what =
                "it is another one than the copy of the same number: checkpoints were taken out, and the chain sealed anew";
            self.found(Fault::Forged, Some(checkpoint.sequence), None, None, what);
        }
        match self.end {
            // What it vouches for was deleted, and the log begins after it.
            _ if self.report.entries == 0 => {
                self.end = End::After(checkpoint.sequence, seal);
                self.report.vouched_until = checkpoint.sequence;
            }
            End::Nowhere => {}
            End::After(..) if self.shift != 0 => {}
            End::After(last, _) if last < checkpoint.sequence => {
                self.cut_off(last + 1, checkpoint.sequence, NOT_THERE);
            }
            End::After(last, found) if last > checkpoint.sequence || found != seal => {
                let since = self.report.vouched_until + 1;
                self.cut_off(since, checkpoint.sequence, "others stand in the place of entries that a checkpoint vouches for");
            }
            End::After(..) => self.report.vouched_until = checkpoint.sequence,
        }
        self.checkpoint = Some((checkpoint, signed));
    }

    fn compare_copies(&mut self, sequence: i64, seal: &[u8; 32]) {
        match self.anchors.at(sequence, seal) {
            Some(true) => self.report.vouched_until = self.report.vouched_until.max(sequence),
            Some(false) => {
                let since = self.report.vouched_until + 1;
                self.cut_off(since, sequence, "others stand in the place of entries that a copied checkpoint vouches for");
            }
            None => {}
        }
    }

    fn waiting(&mut self, row: &Row, copied: bool) {
        let ours = self.key.is_ours(row);
        if copied {
            self.stray(row, "a copy of an entry of the chain was put where entries wait to be sealed");
        } else if ours && self.pruned_before.is_some_and(|before| row.occurred_at < before) {
            self.stray(row, PLAYED_BACK);
        } else if ours {
            self.report.waiting += 1;
            let oldest = self.report.waiting_since.get_or_insert(row.occurred_at);
            *oldest = row.occurred_at.min(*oldest);
            if row.kind == "audit.pruned" {
                self.pruned(row);
            }
        } else {
            self.stray(row, "it waits to be sealed, but was not written by this installation");
        }
    }

    fn stray(&mut self, row: &Row, what: &'static str) {
        self.keep(finding(Fault::Inserted, None, None, Some(&row.id), what));
    }

    /// We say in an entry that we deleted those up to `until`.
    fn pruned(&mut self, row: &Row) {
        let details: serde_json::Value = serde_json::from_str(&row.details).unwrap_or_default();
        let until = details.get("until").and_then(serde_json::Value::as_i64);
        self.pruned_until = self.pruned_until.max(until.unwrap_or_default());
        // Nothing of ours comes as late as that.
        let before = details.get("before").and_then(serde_json::Value::as_str).and_then(Timestamp::parse_rfc3339);
        self.pruned_before = self.pruned_before.max(before);
    }

    /// Everything has come; `head` is where the chain ends by the database's own word.
    pub fn finish(mut self, head: Option<Head>) -> Report {
        // Entries that we deleted while the log was read, after those before them had come.
        let (pruned_until, found) = (self.pruned_until, self.report.findings.len());
        self.report
            .findings
            .retain(|finding| ![TAKEN_OUT, NOT_THERE].contains(&finding.what) || finding.until > Some(pruned_until));
        self.report.faults -= i64::try_from(found - self.report.findings.len()).unwrap_or_default();
        let last = if let End::After(last, _) = self.end { last } else { 0 };
        let ends = head.map_or(0, |head| head.sequence);
        if self.shift == 0 && ends > last {
            self.cut_off(last + 1, ends, "the end is missing");
        }
        if let Some(copied) = self.anchors.last().filter(|copied| self.shift == 0 && *copied > last.max(ends)) {
            self.cut_off(last + 1, copied, "a copied checkpoint vouches for entries that are not there");
        }
        let missing = self.report.first.unwrap_or(last + 1) - 1;
        if missing > self.pruned_until {
            let what = "the beginning is missing, and no entry says that it was deleted for its age";
            self.found(Fault::Deleted, Some(1), Some(missing), None, what);
        }
        if missing > 0 && missing == self.pruned_until && !self.begins_at_checkpoint {
            let what = "no checkpoint vouches for what the first entry follows";
            self.found(Fault::Deleted, Some(1), Some(missing), None, what);
        }
        // Copies are compared where an entry stands; one that none stands for shows that entries were taken out.
        let passed = self.anchors.passed(self.report.first.unwrap_or(i64::MAX).max(pruned_until + 1));
        if let Some(copied) = passed.filter(|_| self.report.faults == 0) {
            self.cut_off(copied, copied, "a copied checkpoint vouches for an entry that is not there");
        }
        if let (Some(head), End::After(last, Some(seal))) = (head, self.end)
            && head.sequence == last
            && head.seal != seal
            && self.report.faults == 0
        {
            self.found(Fault::Edited, Some(last), None, None, "the end of the chain is not the seal of the last entry");
        }
        let mut report = self.report;
        for finding in report.findings.iter_mut().filter(|finding| head.is_some() && finding.sequence > Some(ends)) {
            if finding.fault == Fault::Edited {
                (finding.fault, finding.what) = (Fault::Inserted, "it was put after the end of the chain");
            }
        }
        // By where they stand, those without a place last; each kind of reading finds some late.
        report.findings.sort_by_key(|finding| finding.sequence.unwrap_or(i64::MAX));
        report.intact = report.faults == 0;
        report
    }

    fn cut_off(&mut self, from: i64, until: i64, what: &'static str) {
        self.found(Fault::CutOff, Some(from), Some(until), None, what);
    }

    fn found(
        &mut self,
        fault: Fault,
        sequence: Option<i64>,
        until: Option<i64>,
        entry: Option<&Sealed>,
        what: &'static str,
    ) -> Option<usize> {
        self.keep(finding(fault, sequence, until, entry.map(|entry| entry.row.id.as_str()), what))
    }

    fn keep(&mut self, finding: Finding) -> Option<usize> {
        self.report.faults += 1;
        (self.report.findings.len() < MOST).then(|| {
            self.report.findings.push(finding);
            self.report.findings.len() - 1
        })
    }
}
