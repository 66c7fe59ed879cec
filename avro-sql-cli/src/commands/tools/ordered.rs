//! Work shared among threads: jobs in, one after the other; what comes of them out, in the order of the jobs.
//!
//! The calling thread brings the jobs and takes what comes of them; so reading and writing stay in one place. A job may give many
//! pieces, of which few are held at a time.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::{Error, Result};
use crate::threads::STACK_BYTES;

/// Pieces that a job may be ahead of their taking.
const PIECES_AHEAD: usize = 4;

/// Takes the pieces of a job. They are not wanted any more where it says so by an error.
pub(super) struct Give<P>(SyncSender<Result<P>>);

impl<P> Give<P> {
    /// Gives the next piece.
    pub(super) fn piece(&mut self, piece: P) -> Result<()> {
        self.0.send(Ok(piece)).map_err(|_| Error::Interrupted)
    }
}

/// Does the jobs that `next` brings on so many threads, each of which starts with what `start` gives it, and hands the pieces to `take`.
/// The first error, in the order of the jobs, ends it.
pub(super) fn in_order<J: Send, S, P: Send>(
    threads: usize,
    mut next: impl FnMut() -> Result<Option<J>>,
    start: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, J, &mut Give<P>) -> Result<()> + Sync,
    mut take: impl FnMut(P) -> Result<()>,
) -> Result<()> {
    let threads = threads.max(1);
    let ahead = threads * 2;
    let (send, jobs) = sync_channel::<(J, SyncSender<Result<P>>)>(ahead);
    let jobs = Mutex::new(jobs);
    thread::scope(|scope| {
        // Owned here, so that threads come to an end however this does.
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
                    let mut give = Give(pieces);
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
                            return Err(Error::Failed("internal error: threads died".to_owned()));
                        }
                        waiting.push_back(receive);
                    }
                    Ok(None) => all = true,
                    // Those before it come first.
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

    /// Each job gives its number so many times; the 53rd fails after a piece, and there are no jobs after the 90th.
    fn run(threads: usize, fails: bool) -> (Vec<usize>, Option<String>) {
        let (mut n, mut taken) = (0, Vec::new());
        let next = || {
            n += 1;
            if n > 90 { Err(Error::Failed("no more".to_owned())) } else { Ok(Some(n)) }
        };
        let work = |state: &mut usize, job: usize, give: &mut Give<usize>| {
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
    fn pieces_are_in_order() {
        let all: Vec<usize> = (1..=90).flat_map(|job| vec![job; job % 7]).collect();
        let few: Vec<usize> = all.iter().copied().take_while(|job| *job < 53).chain([53]).collect();
        for threads in [1, 2, 5] {
            assert_eq!(run(threads, false), (all.clone(), Some("no more".to_owned())), "{threads} threads");
            assert_eq!(run(threads, true), (few.clone(), Some("the 53rd".to_owned())), "{threads} threads");
        }
    }

    #[test]
    fn who_takes_may_stop() {
        let mut n = 0;
        let next = || Ok(Some(())); // for ever
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
