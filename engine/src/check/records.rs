//! The rows: walked step by step, compared, and mended where the run repairs.

use super::Checker;
use super::budget::Budget;
use super::report::{CheckReport, Done, Finding};
use crate::fault::StorageError;
use crate::meta::{AuditStep, Cursor, Mended, Metadata, RowFault};
use std::collections::BTreeSet;

/// Rows of one step: a snapshot is held for no longer than they take.
const STEP: usize = 1024;

/// What reading a row and those it is compared with is taken to cost.
const BYTES_PER_ROW: u64 = 256;

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
            budget.spend(BYTES_PER_ROW * step.rows).await;
            self.mend(repair, step.faults, report).await?;
            next = step.next;
        }
        let sums = self.sums(report).await?;
        self.mend(repair, sums, report).await
    }

    async fn sums(&self, report: &mut CheckReport) -> Result<BTreeSet<RowFault>, StorageError> {
        for _ in 0..TRIES {
            if let Some(faults) = self.ask(Metadata::audit_sums).await? {
                return Ok(faults);
            }
            tokio::task::yield_now().await;
        }
        report.add(Finding {
            digest: None,
            place: "table settings".to_owned(),
            what: "sums over all blobs could not be compared: commits failed meanwhile".to_owned(),
            done: Done::Reported,
        });
        Ok(BTreeSet::new())
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
    Finding {
        digest: None,
        place: format!("table {}", cursor.table_name()),
        what: format!("rows cannot be read, and what lies behind them is unknown: {error}"),
        done: Done::Reported,
    }
}
