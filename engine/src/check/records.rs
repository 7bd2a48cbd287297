//! The rows: walked step by step, compared, and mended where the run repairs.

use super::Checker;
use super::budget::Budget;
use super::report::{CheckReport, Done, Finding};
use crate::fault::StorageError;
use crate::meta::{AuditStep, Cursor, Mended, Metadata, RowFault};
use std::collections::BTreeSet;

/// Rows read in one step of the comparison: a fraction of a millisecond. Its snapshot is held for no
/// longer, and on few cores whoever is served meanwhile waits for no longer.
const STEP: u64 = 64;

/// What reading a row, or one it is compared with, is taken to cost.
const BYTES_PER_ROW: u64 = 128;

/// Rows mended in one transaction.
const BATCH: usize = 64;

/// How often a walk over all blobs is begun again when the database wants its snapshot back.
const TRIES: usize = 3;

// === impl Checker ===

impl Checker {
    /// Reads every row. What is found is mended once a table's step is done, in the order of the
    /// tables, in which each follows from those before.
    pub(super) async fn rows(
        &self,
        repair: bool,
        budget: &mut Budget,
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        let mut next = Some(Cursor::START);
        while let Some(cursor) = next {
            let at = cursor.clone();
            let step = self.ask(move |meta| meta.audit_step(&at, STEP)).await;
            let step = match step {
                Ok(step) => step,
                // A page that cannot be made sense of; what lies behind it is not reachable.
                Err(error @ (StorageError::Metadata(_) | StorageError::Corrupt(_))) => {
                    report.add(unreadable(&cursor, &error));
                    AuditStep {
                        next: cursor.next_table(),
                        ..AuditStep::default()
                    }
                }
                Err(error) => return Err(error),
            };
            report.rows += step.rows;
            budget.spend(BYTES_PER_ROW * step.reads).await;
            self.mend(repair, step.faults, report).await?;
            next = step.next;
        }
        let sums = self.sums(report).await?;
        self.mend(repair, sums, report).await
    }

    async fn sums(&self, report: &mut CheckReport) -> Result<BTreeSet<RowFault>, StorageError> {
        if let Some(faults) = self.undisturbed(Metadata::audit_sums).await? {
            return Ok(faults);
        }
        let what = "sums over all blobs could not be compared: commits failed meanwhile";
        report.add(finding("table settings", what, Done::Reported));
        Ok(BTreeSet::new())
    }

    /// Looks up every row; writes trees anew in which one is not found, if the run repairs. Answers
    /// whether all are found now: nothing may be repaired where a row is there and is not found. A tree
    /// is read in one snapshot and at no budget, like the sums.
    pub(super) async fn order(
        &self,
        repair: bool,
        report: &mut CheckReport,
    ) -> Result<bool, StorageError> {
        let mut are_in_order = true;
        for tree in Metadata::trees() {
            let order = match self.undisturbed(move |meta| meta.order_of(tree)).await {
                Ok(Some(order)) if order.is_kept() => continue,
                Ok(Some(order)) => order,
                Ok(None) => {
                    let what = "rows could not be looked up: commits failed meanwhile";
                    report.add(finding(&tree.place(), what, Done::Reported));
                    are_in_order = false;
                    continue;
                }
                Err(error @ (StorageError::Metadata(_) | StorageError::Corrupt(_))) => {
                    let what = format!("rows could not be looked up: {error}");
                    report.add(finding(&tree.place(), &what, Done::Reported));
                    are_in_order = false;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut what = order.to_string();
            let mut is_restored = repair && order.can_be_restored();
            if is_restored && let Err(error) = self.meta.write_anew(tree).await {
                what = format!("{what}, and could not be written anew: {error}");
                is_restored = false;
            }
            let done = if is_restored {
                Done::Repaired
            } else {
                Done::Reported
            };
            report.add(finding(&tree.place(), &what, done));
            are_in_order &= is_restored;
        }
        Ok(are_in_order)
    }

    /// A long read of one snapshot, begun anew when the database wanted that back; `None` when it
    /// always did.
    async fn undisturbed<T: Send + 'static>(
        &self,
        read: impl Fn(&Metadata) -> Result<Option<T>, StorageError> + Copy + Send + 'static,
    ) -> Result<Option<T>, StorageError> {
        for _ in 0..TRIES {
            let read = self.ask(read).await?;
            if read.is_some() {
                return Ok(read);
            }
            tokio::task::yield_now().await;
        }
        Ok(None)
    }

    async fn mend(
        &self,
        repair: bool,
        faults: BTreeSet<RowFault>,
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        let faults: Vec<RowFault> = faults.into_iter().collect();
        for faults in faults.chunks(BATCH) {
            let mended = if repair {
                self.meta.mend_rows(faults).await?
            } else {
                vec![Mended::Left; faults.len()]
            };
            for (fault, mended) in faults.iter().zip(mended) {
                report.add(Finding {
                    digest: fault.digest(),
                    place: fault.place(),
                    what: fault.to_string(),
                    done: match mended {
                        Mended::Removed => Done::Removed,
                        // Or right again since it was looked at: another row was mended first.
                        Mended::Rewritten | Mended::Fine => Done::Repaired,
                        Mended::Left if fault.needs_push() => Done::Quarantined,
                        Mended::Left => Done::Reported,
                    },
                });
            }
        }
        Ok(())
    }
}

fn unreadable(cursor: &Cursor, error: &StorageError) -> Finding {
    let place = format!("table {}", cursor.table_name());
    let what = format!("rows cannot be read, and what lies behind them is unknown: {error}");
    finding(&place, &what, Done::Reported)
}

/// Something about many rows.
fn finding(place: &str, what: &str, done: Done) -> Finding {
    Finding {
        digest: None,
        place: place.to_owned(),
        what: what.to_owned(),
        done,
    }
}
