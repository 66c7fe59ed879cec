//! Shares jobs among threads and returns their pieces in the order of the jobs.
//!
//! The calling thread supplies jobs and takes results, so that reading and writing stay in one place. A job may yield
//! many pieces; few of them are held at a time.
//!
//! The reader and the writer of avro-arrow have threads of their own: they are pulled or pushed by a caller that may
//! stop at any time, so their threads outlive each call and cannot be scoped as here.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::{Error, Result};
use crate::threads::STACK_BYTES;

/// Pieces that a job may be ahead of the consumer.
const PIECES_AHEAD: usize = 4;

/// Sends the pieces of a job. An error says that the consumer is gone.
pub(super) struct ResultSender<P>(SyncSender<Result<P>>);

impl<P> ResultSender<P> {
    /// Sends the next piece.
    pub(super) fn piece(&mut self, piece: P) -> Result<()> {
        self.0.send(Ok(piece)).map_err(|_| Error::Interrupted)
    }
}

/// Runs the jobs of `next` on `threads` threads, each with a state from `start`, and passes the pieces to `take`.
/// The first error, in the order of the jobs, ends it.
pub(super) fn in_order<J: Send, S, P: Send>(
    threads: usize,
    mut next: impl FnMut() -> Result<Option<J>>,
    start: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, J, &mut ResultSender<P>) -> Result<()> + Sync,
    mut take: impl FnMut(P) -> Result<()>,
) -> Result<()> {
    let threads = threads.max(1);
    let ahead = threads * 2;
    let (send, jobs) = sync_channel::<(J, SyncSender<Result<P>>)>(ahead);
    let jobs = Mutex::new(jobs);
    thread::scope(|scope| {
        // Owned here, so that threads stop however this function ends.
        let send = send;
        for _ in 0..threads {
            let worker = || {
                let mut state = None;
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((job, pieces)) = job else { return };
                    if state.is_none() {
                        state = match start() {
                            Ok(started) => Some(started),
                            Err(e) => {
                                let _ = pieces.send(Err(e));
                                continue;
                            }
                        };
                    }
                    let Some(state) = &mut state else { continue };
                    let mut give = ResultSender(pieces);
                    if let Err(e) = work(state, job, &mut give) {
                        let _ = give.0.send(Err(e));
                    }
                }
            };
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, worker)?;
        }
        let mut waiting: VecDeque<Receiver<Result<P>>> = VecDeque::new();
        let mut all = false;
        let mut failed = None;
        loop {
            while !all && waiting.len() < ahead {
                match next() {
                    Ok(Some(job)) => {
                        let (pieces, receive) = sync_channel(PIECES_AHEAD);
                        if send.send((job, pieces)).is_err() {
                            return Err(Error::Failed("internal error: a worker thread stopped".to_owned()));
                        }
                        waiting.push_back(receive);
                    }
                    Ok(None) => all = true,
                    // Results of earlier jobs come first.
                    Err(e) => (all, failed) = (true, Some(e)),
                }
            }
            let Some(pieces) = waiting.pop_front() else { break };
            for piece in pieces {
                take(piece?)?;
            }
        }
        failed.map_or(Ok(()), Err)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Job `n` yields its number several times; the 53rd fails after a piece, and there are 90 jobs.
    fn run(threads: usize, fails: bool) -> (Vec<usize>, Option<String>) {
        let (mut n, mut taken) = (0, Vec::new());
        let next = || {
            n += 1;
            if n > 90 { Err(Error::Failed("no more".to_owned())) } else { Ok(Some(n)) }
        };
        let work = |state: &mut usize, job: usize, give: &mut ResultSender<usize>| {
            *state += 1;
            for piece in 0..job % 7 {
                if fails && job == 53 && piece == 1 {
                    return Err(Error::Failed("the 53rd".to_owned()));
                }
                give.piece(job)?;
            }
            Ok(())
        };
        let done = in_order(
            threads,
            next,
            || Ok(0),
            work,
            |piece| {
                taken.push(piece);
                Ok(())
            },
        );
        (taken, done.err().map(|e| e.to_string()))
    }

    #[test]
    fn in_order_returns_pieces_in_job_order() {
        let all: Vec<usize> = (1..=90).flat_map(|job| vec![job; job % 7]).collect();
        let few: Vec<usize> = all.iter().copied().take_while(|job| *job < 53).chain([53]).collect();
        for threads in [1, 2, 5] {
            assert_eq!(run(threads, false), (all.clone(), Some("no more".to_owned())), "{threads} threads");
            assert_eq!(run(threads, true), (few.clone(), Some("the 53rd".to_owned())), "{threads} threads");
        }
    }

    #[test]
    fn consumer_error_stops_workers() {
        let mut n = 0;
        let next = || Ok(Some(())); // forever
        let done = in_order(
            3,
            next,
            || Ok(()),
            |(), (), give| give.piece(1),
            |piece| {
                n += piece;
                if n == 10 { Err(Error::ClosedPipe) } else { Ok(()) }
            },
        );
        assert!(matches!(done, Err(Error::ClosedPipe)));
        assert_eq!(n, 10);
        let done = in_order(3, next, || Err::<(), _>(Error::Interrupted), |(), (), give| give.piece(1), |_| Ok(()));
        assert!(matches!(done, Err(Error::Interrupted)));
    }
}
