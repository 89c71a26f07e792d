//! Work on several threads.

use std::sync::Mutex;
use std::thread;

/// A piece of work, independent of the others.
pub(crate) type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Does all tasks on as many threads as the machine runs at once, this one among them. Which thread
/// does which is left to chance: tasks must not depend on it.
pub(crate) fn in_parallel(tasks: Vec<Task>) {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(tasks.len());
    let tasks = Mutex::new(tasks.into_iter());
    let work = || {
        loop {
            // A task is done without the lock; a poisoned one means that a thread has panicked,
            // which ends the scope.
            let task = tasks.lock().map(|mut tasks| tasks.next());
            let Ok(Some(task)) = task else { return };
            task();
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| {
            scope.spawn(work);
        });
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_done_once() {
        let mut counts = vec![0; 100];
        in_parallel(counts.iter_mut().map(|count| -> Task { Box::new(|| *count += 1) }).collect());
        assert!(counts.iter().all(|count| *count == 1));
        in_parallel(Vec::new());
    }
}
