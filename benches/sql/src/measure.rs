//! The measurement: a case and engines in, a line of the table out for each, once they agree.

use crate::answer::Answer;
use crate::cases::Case;
use crate::data::Folder;
use crate::engines::Engine;
use datafusion::execution::context::SessionContext;
use futures::StreamExt;
use std::error::Error;
use std::fmt;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};

/// The names of the columns of a [`Line`], separated by tabs.
pub(crate) const HEADER: &str = "case\tengine\tthreads\trows\tfile_bytes\tseconds\tratio";

/// Seconds below which a run is short, and how often it is repeated then.
const SHORT: (f64, usize) = (0.02, 10);

/// A line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    case: String,
    engine: Engine,
    threads: usize,
    /// Of the answer, and bytes of all files of the case; a mean over cases has neither.
    sizes: Option<(u64, u64)>,
    seconds: f64,
    /// How many times as fast as stock, if that was measured.
    ratio: Option<f64>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { case, engine, threads, sizes, seconds, ratio } = self;
        let (rows, bytes) =
            sizes.map_or(("-".into(), "-".into()), |(rows, bytes)| (rows.to_string(), bytes.to_string()));
        let ratio = ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"));
        write!(f, "{case}\t{}\t{threads}\t{rows}\t{bytes}\t{seconds:.6}\t{ratio}", engine.name())
    }
}

/// How to measure.
#[derive(Debug)]
pub(crate) struct How<'a> {
    /// The engines, in the order of the lines.
    pub(crate) engines: &'a [Engine],
    /// Threads, and partitions of a plan.
    pub(crate) threads: usize,
    /// How often each runs; the best counts.
    pub(crate) runs: usize,
}

/// An engine at work on a case.
struct Contender<'a> {
    engine: Engine,
    case: &'a Case,
    tables: &'a [(&'a str, String)],
    threads: usize,
    /// With the tables, where making them is not part of what is measured.
    session: Option<SessionContext>,
    seconds: f64,
}

impl Contender<'_> {
    /// Runs the query and gives each batch to `each`.
    async fn run(
        &self,
        mut each: impl FnMut(&datafusion::arrow::array::RecordBatch) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let session = match &self.session {
            Some(session) => session.clone(),
            None => self.engine.session(self.tables, self.threads).await?,
        };
        let mut stream = session.sql(&self.case.sql).await?.execute_stream().await?;
        while let Some(batch) = stream.next().await {
            each(&batch?)?;
        }
        Ok(())
    }

    /// The answer: the untimed pass.
    async fn answer(&self) -> Result<Answer, Box<dyn Error>> {
        let mut answer = Answer::default();
        self.run(|batch| Ok(answer.add(batch)?)).await?;
        Ok(answer)
    }

    /// One run, timed; batches are dropped. Gives the number of rows.
    async fn time(&mut self) -> Result<u64, Box<dyn Error>> {
        let (start, mut rows) = (Instant::now(), 0);
        self.run(|batch| {
            rows += batch.num_rows() as u64;
            Ok(())
        })
        .await?;
        self.seconds = self.seconds.min(start.elapsed().as_secs_f64());
        Ok(rows)
    }
}

/// Runs a case on all engines.
///
/// # Errors
/// Where one fails, or they disagree.
pub(crate) fn measure(case: &Case, folder: &Folder, how: &How<'_>) -> Result<Vec<Line>, Box<dyn Error>> {
    let (mut tables, mut file_bytes) = (Vec::new(), 0);
    for &table in &case.tables {
        let (path, bytes) = folder.table(table)?;
        tables.push((table.name(), path));
        file_bytes += bytes;
    }
    let runtime: Runtime = Builder::new_multi_thread().worker_threads(how.threads).enable_all().build()?;
    let mut contenders = Vec::new();
    let mut answers: Vec<(Engine, Answer)> = Vec::new();
    for &engine in how.engines {
        let session = match case.timed_tables {
            true => None,
            false => Some(runtime.block_on(engine.session(&tables, how.threads))?),
        };
        let contender =
            Contender { engine, case, tables: &tables, threads: how.threads, session, seconds: f64::INFINITY };
        // The answers come first: they bring the files into memory for all engines alike.
        let answer =
            runtime.block_on(contender.answer()).map_err(|e| format!("{}: {}: {e}", case.name, engine.name()))?;
        answers.push((engine, answer));
        contenders.push(contender);
    }
    let rows = agree(&case.name, &answers)?;

    for _ in 0..how.runs.max(1) {
        for contender in &mut contenders {
            // A short time is easily disturbed.
            for repeat in 0..SHORT.1 {
                if repeat > 0 && contender.seconds >= SHORT.0 {
                    break;
                }
                let found = runtime.block_on(contender.time())?;
                if found != rows {
                    return Err(
                        format!("{}: {} gave {found} rows, {rows} before", case.name, contender.engine.name()).into()
                    );
                }
            }
        }
    }
    let theirs = contenders.iter().find(|c| c.engine == Engine::Stock).map(|c| c.seconds);
    let line = |c: &Contender<'_>| Line {
        case: case.name.clone(),
        engine: c.engine,
        threads: how.threads,
        sizes: Some((rows, file_bytes)),
        seconds: c.seconds,
        ratio: theirs.map(|theirs| theirs / c.seconds),
    };
    Ok(contenders.iter().map(line).collect())
}

/// Fails unless all gave the same answer; gives its number of rows.
fn agree(case: &str, answers: &[(Engine, Answer)]) -> Result<u64, String> {
    let (first, others) = answers.split_first().ok_or("no engine")?;
    for other in others {
        if !first.1.agrees(&other.1) {
            let [a, b] = [first, other].map(|(engine, answer)| format!("{} {answer:?}", engine.name()));
            return Err(format!("{case}: the engines disagree: {a}; {b}"));
        }
    }
    Ok(first.1.rows)
}

/// For each engine the geometric mean over TPC-H's queries, named for how many they are.
pub(crate) fn geometric_means(lines: &[Line]) -> Vec<Line> {
    let mut means: Vec<Line> = Vec::new();
    for first in lines.iter().filter(|line| Case::is_tpch(&line.case)) {
        if means.iter().any(|mean| mean.engine == first.engine) {
            continue;
        }
        let of_engine = || lines.iter().filter(|line| Case::is_tpch(&line.case) && line.engine == first.engine);
        let ratios: Option<Vec<f64>> = of_engine().map(|line| line.ratio).collect();
        means.push(Line {
            case: format!("geomean-of-{}", of_engine().count()),
            sizes: None,
            seconds: mean(of_engine().map(|line| line.seconds)),
            ratio: ratios.map(|ratios| mean(ratios.into_iter())),
            ..first.clone()
        });
    }
    means
}

/// The geometric mean.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, logs) = values.fold((0u32, 0.0), |(count, logs), value| (count + 1, logs + value.ln()));
    (logs / f64::from(count)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means() {
        let line = |case: &str, engine, seconds, ratio| Line {
            case: case.into(),
            engine,
            threads: 2,
            sizes: Some((1, 1)),
            seconds,
            ratio,
        };
        let lines = [
            line("q1", Engine::Ours, 1.0, Some(2.0)),
            line("q1", Engine::Stock, 2.0, Some(1.0)),
            line("q22", Engine::Ours, 4.0, Some(8.0)),
            line("q22", Engine::Stock, 32.0, Some(1.0)),
            line("count", Engine::Ours, 9.0, Some(9.0)),
        ];
        let found: Vec<String> = geometric_means(&lines).iter().map(ToString::to_string).collect();
        let ours = "geomean-of-2\tours\t2\t-\t-\t2.000000\t4.00";
        assert_eq!(found, [ours, "geomean-of-2\tstock\t2\t-\t-\t8.000000\t1.00"]);
    }
}
