//! The measurement: an input and engines in, a line of the table out for each, once they agree.

use crate::checksum::Checksum;
use crate::engines::{Engine, Input, Task};
use std::error::Error;
use std::fmt;
use std::time::Instant;

/// The names of the columns of a [`Line`], separated by tabs.
pub const HEADER: &str = "case\tengine\tthreads\trows\tfile_bytes\tseconds\tmrows_s\tmb_s\tratio";

/// Seconds below which a run is short.
const SHORT: f64 = 0.02;

/// A line of the table.
#[derive(Debug)]
pub struct Line {
    case: String,
    /// The engine's name.
    pub engine: &'static str,
    threads: usize,
    /// Rows that it read.
    pub rows: u64,
    file_bytes: u64,
    /// Its best time.
    pub seconds: f64,
    /// Of arrow-avro, if it was measured and could read the file.
    theirs: Option<f64>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { case, engine, threads, rows, file_bytes, seconds, theirs } = self;
        let ratio = theirs.map_or("-".into(), |theirs| format!("{:.2}", theirs / seconds));
        let (mrows_s, mb_s) = (*rows as f64 / seconds / 1e6, *file_bytes as f64 / seconds / 1e6);
        write!(f, "{case}\t{engine}\t{threads}\t{rows}\t{file_bytes}\t{seconds:.6}\t{mrows_s:.2}\t{mb_s:.1}\t{ratio}")
    }
}

/// How to measure.
#[derive(Debug)]
pub struct How<'a> {
    /// The engines, in the order of the lines.
    pub engines: &'a [Engine],
    /// Threads, for engines that can use them.
    pub threads: usize,
    /// How often each runs; the best counts. Ten times as often where all take less than 20 ms: a short time is easily
    /// disturbed.
    pub runs: usize,
}

/// An engine at work on an input, and what came of it.
struct Contender<'a> {
    label: &'static str,
    engine: Engine,
    input: Input<'a>,
    threads: usize,
    seconds: f64,
}

/// Runs a case on all engines. An engine that cannot read the input is said so on stderr, and has no line.
///
/// # Errors
/// Where ours cannot read it, or engines that can disagree.
pub fn measure(case: &str, input: &Input<'_>, how: &How<'_>) -> Result<Vec<Line>, Box<dyn Error>> {
    let mut contenders = contenders(input, how);
    // The checksums come first: they bring the file into memory for all engines alike.
    let mut sums = Vec::new();
    let mut able = Vec::new();
    let counting = input.task == Task::Count;
    for contender in contenders.drain(..) {
        let Contender { label, engine, ref input, threads, .. } = contender;
        if !engine.reads(input) {
            eprintln!("{case}: {label} is not made for it");
            continue;
        }
        if !engine.runs_here() {
            eprintln!("{case}: {label} does not run on this CPU");
            continue;
        }
        // Who counts sees no values, so that there is nothing else to compare.
        let counted = |rows| Checksum { rows, sum: 0 };
        let sum = if counting { engine.drain(input, threads).map(counted) } else { engine.checksum(input, threads) };
        match sum {
            Ok(sum) => {
                sums.push((label, sum));
                able.push(contender);
            }
            Err(reason) if engine == Engine::Ours => return Err(format!("{case}: {label}: {reason}").into()),
            Err(reason) => eprintln!("{case}: {label} cannot: {reason}"),
        }
    }
    agree(case, &sums)?;
    let Some((_, Checksum { rows, .. })) = sums.first().copied() else { return Ok(Vec::new()) };

    let mut runs = how.runs.max(1);
    let mut run = 0;
    while run < runs {
        for contender in &mut able {
            let start = Instant::now();
            let drained = contender.engine.drain(&contender.input, contender.threads)?;
            contender.seconds = contender.seconds.min(start.elapsed().as_secs_f64());
            if drained != rows {
                return Err(format!("{case}: {} gave {drained} rows, {rows} before", contender.label).into());
            }
        }
        run += 1;
        if run == 1 && able.iter().all(|contender| contender.seconds < SHORT) {
            runs *= 10;
        }
    }
    let file_bytes = input.path.metadata()?.len();
    let theirs = able.iter().find(|c| c.engine == Engine::ArrowAvro).map(|c| c.seconds);
    let line = |c: Contender<'_>| Line {
        case: case.into(),
        engine: c.label,
        threads: c.threads,
        rows,
        file_bytes,
        seconds: c.seconds,
        theirs,
    };
    Ok(able.into_iter().map(line).collect())
}

/// The engines; where rows are counted, ours also decodes, to compare with.
fn contenders<'a>(input: &Input<'a>, how: &How<'_>) -> Vec<Contender<'a>> {
    let mut contenders = Vec::new();
    for &engine in how.engines {
        let mut add = |label, task, threads| {
            let input = Input { path: input.path, columns: input.columns.clone(), task, data: input.data };
            contenders.push(Contender { label, engine, input, threads, seconds: f64::INFINITY });
        };
        let threads = engine.threads(how.threads);
        if engine == Engine::Ours && input.task == Task::Count {
            add(engine.name(), Task::Count, 1);
            add("ours-decoding", Task::Decode, threads);
        } else {
            add(engine.name(), input.task, threads);
        }
    }
    contenders
}

/// Fails unless all saw the same rows.
///
/// # Errors
/// With what each saw.
pub fn agree(case: &str, sums: &[(&str, Checksum)]) -> Result<(), String> {
    if sums.windows(2).all(|pair| pair[0].1 == pair[1].1) {
        return Ok(());
    }
    let each: Vec<_> = sums.iter().map(|(who, s)| format!("{who} {} rows, checksum {:016x}", s.rows, s.sum)).collect();
    Err(format!("{case}: the engines disagree: {}", each.join("; ")))
}
