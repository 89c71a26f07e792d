//! Reading on a thread of its own, so that rows are decoded while those before them are looked at.

use std::sync::mpsc::sync_channel;
use std::thread;

use arrow_array::RecordBatch;

use crate::error::Result;
use crate::run::Run;

/// Batches that are decoded before they are asked for: each of a few thousand rows.
const AHEAD: usize = 4;

/// Calls `visit` with each batch of [`Run::steps`] until it returns false.
///
/// # Errors
/// As [`Run::steps`]; the first one ends the reading.
pub(crate) fn read_ahead(
    run: &Run,
    columns: &[&str],
    mut visit: impl FnMut(RecordBatch) -> bool,
) -> Result<()> {
    let batches = run.steps(columns)?;
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for batch in batches {
                // Nobody waits for the others.
                if sender.send(batch).is_err() {
                    break;
                }
            }
        });
        for batch in receiver {
            if !visit(batch?) {
                break;
            }
        }
        Ok(())
    })
}
