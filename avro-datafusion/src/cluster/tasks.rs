//! The tasks of scans: how many workers read the files of a scan, and which parts each reads.
//!
//! `datafusion-distributed` would split any scan of files by bytes. Here a scan that must read files whole stays one
//! task. Others are split as [`AvroSource`] splits them for the threads of one machine, at blocks where there is an
//! index.

use crate::block_index::{FileIndex, MARKER};
use crate::cluster::travel::avro_scan;
use crate::scan::source::AvroSource;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedConfig, DistributedExt, DistributedLeafExec,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse,
};
use object_store::path::Path;
use std::collections::HashMap;
use std::sync::Arc;

/// Registers how scans of Avro files become tasks.
pub(super) fn install(builder: SessionStateBuilder) -> SessionStateBuilder {
    builder
        .with_distributed_desired_task_count_handler(desired_tasks)
        .with_distributed_scale_up_leaf_node_handler(scaled_up)
}

/// Whether a scan is one task.
fn is_one_task(files: &FileScanConfig, source: &AvroSource) -> bool {
    let is_ordered = files.preserve_order || !files.output_ordering.is_empty() || files.output_partitioning.is_some();
    is_ordered || source.why_whole(files.limit).is_some()
}

/// Returns the number of tasks that pay for their start.
#[allow(clippy::needless_pass_by_value)] // The trait of handlers.
fn desired_tasks(event: DesiredTaskCountEvent) -> Option<Result<DesiredTaskCountEventResponse>> {
    let (files, source) = avro_scan(event.plan)?;
    if is_one_task(files, source) {
        return Some(Ok(DesiredTaskCountEventResponse::maximum(1)));
    }
    let settings = match DistributedConfig::from_config_options(event.session_config.options()) {
        Ok(settings) => settings,
        Err(e) => return Some(Err(e)),
    };
    let bytes: u64 = files.file_groups.iter().flat_map(FileGroup::iter).map(PartitionedFile::effective_size).sum();
    let of_partition = u64::try_from(settings.file_scan_config_bytes_per_partition).unwrap_or(u64::MAX).max(1);
    let partitions = usize::try_from(bytes.div_ceil(of_partition)).unwrap_or(usize::MAX);
    let tasks = partitions.div_ceil(event.session_config.target_partitions().max(1));
    Some(Ok(DesiredTaskCountEventResponse::desired(tasks.max(1))))
}

/// Returns the scan of each task.
#[allow(clippy::needless_pass_by_value)] // The trait of handlers.
fn scaled_up(event: ScaleUpLeafNodeEvent) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let (files, source) = avro_scan(event.plan)?;
    // The setting that reads files whole.
    let is_cut = event.session_config.options().optimizer.repartition_file_scans;
    Some(leaf(event.plan, files, source, event.task_count, is_cut).map(ScaleUpLeafNodeEventResponse::new))
}

fn leaf(
    plan: &Arc<dyn ExecutionPlan>,
    files: &FileScanConfig,
    source: &AvroSource,
    tasks: usize,
    is_cut: bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    if tasks < 2 {
        return Ok(Arc::clone(plan));
    }
    let partitions = plan.output_partitioning().partition_count().max(1);
    let groups = match is_one_task(files, source) {
        true => files.file_groups.clone(),
        false if is_cut => split(files, source, partitions * tasks)?,
        false => whole_files(files).split_files(partitions * tasks),
    };
    let mut empty = files.clone();
    empty.file_groups.clear();
    let scan_of_task = |task: usize| -> Arc<dyn ExecutionPlan> {
        let own = groups.iter().skip(task).step_by(tasks);
        let mut own: Vec<FileGroup> = own.map(|group| FileGroup::new(group.iter().map(sent).collect())).collect();
        own.resize(partitions.max(own.len()), FileGroup::default());
        let mut files = empty.clone();
        files.file_groups = own;
        DataSourceExec::from_data_source(files)
    };
    // Every task has as many partitions as the first, which has the most.
    Ok(Arc::new(DistributedLeafExec::try_new(Arc::clone(plan), (0..tasks).map(scan_of_task))?))
}

/// Returns a file without what only the planner uses.
fn sent(file: &PartitionedFile) -> PartitionedFile {
    PartitionedFile { statistics: None, ordering: None, ..file.clone() }
}

fn whole_files(files: &FileScanConfig) -> FileGroup {
    FileGroup::new(joined(&files.file_groups))
}

/// Splits the files of a scan into about this many groups.
fn split(files: &FileScanConfig, source: &AvroSource, partitions: usize) -> Result<Vec<FileGroup>> {
    // The planner has split files for the threads of this machine already.
    let mut whole = files.clone();
    whole.file_groups = whole_files(files).into_inner().into_iter().map(|file| FileGroup::new(vec![file])).collect();
    let split = source.repartitioned(partitions, 1, None, &whole)?;
    let mut groups = split.map_or(whole.file_groups, |split| split.file_groups);
    if groups.len() > partitions {
        let all: Vec<PartitionedFile> = groups.into_iter().flat_map(FileGroup::into_inner).collect();
        groups = FileGroup::new(all).split_files(partitions);
    }
    let at_blocks = |group: FileGroup| FileGroup::new(group.into_inner().into_iter().map(at_blocks).collect());
    Ok(groups.into_iter().map(at_blocks).collect())
}

/// Returns files whole where their ranges follow each other from start to end, and other ranges as they are.
fn joined(groups: &[FileGroup]) -> Vec<PartitionedFile> {
    let mut files: Vec<(&Path, Vec<&PartitionedFile>)> = vec![];
    let mut places: HashMap<&Path, usize> = HashMap::new();
    for file in groups.iter().flat_map(FileGroup::iter) {
        let path = &file.object_meta.location;
        let place = *places.entry(path).or_insert_with(|| {
            files.push((path, vec![]));
            files.len() - 1
        });
        if let Some((_, ranges)) = files.get_mut(place) {
            ranges.push(file);
        }
    }
    files.into_iter().flat_map(|(_, ranges)| joined_ranges(ranges)).collect()
}

fn joined_ranges(mut ranges: Vec<&PartitionedFile>) -> Vec<PartitionedFile> {
    let bounds = |file: &PartitionedFile| {
        let size = i64::try_from(file.object_meta.size).unwrap_or(i64::MAX);
        file.range.as_ref().map_or((0, size), |range| (range.start, range.end.min(size)))
    };
    ranges.sort_by_key(|file| bounds(file));
    let mut end = 0;
    let follow = ranges.iter().all(|file| {
        let (start, to) = bounds(file);
        std::mem::replace(&mut end, to) == start
    });
    match ranges.first() {
        Some(first) if follow && i64::try_from(first.object_meta.size) == Ok(end) => {
            let mut file = (*first).clone();
            file.range = None;
            vec![file]
        }
        // A file may also be listed several times.
        _ => ranges.into_iter().cloned().collect(),
    }
}

/// Moves the bounds of a range to those of blocks, if the file has an index: then no block is fetched by two tasks.
fn at_blocks(mut file: PartitionedFile) -> PartitionedFile {
    let (Some(index), Some(range)) = (file.extensions.get_arc::<FileIndex>(), &mut file.range) else { return file };
    let size = file.object_meta.size;
    let moved = |bound: i64| {
        let at = u64::try_from(bound).unwrap_or(0);
        // A range has the blocks whose preceding marker begins in it.
        let next = index.starts().partition_point(|start| start.saturating_sub(MARKER) < at);
        match index.starts().get(next) {
            Some(start) if at > 0 && at < size => i64::try_from(start.saturating_sub(MARKER)).unwrap_or(bound),
            _ => bound,
        }
    };
    (range.start, range.end) = (moved(range.start), moved(range.end));
    file
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn joined_joins_ranges_of_whole_files() {
        let part = |name: &str, range: Option<(i64, i64)>| {
            let file = PartitionedFile::new(name, 100);
            range.map_or_else(|| file.clone(), |(start, end)| file.clone().with_range(start, end))
        };
        type Part = (&'static str, Option<(i64, i64)>);
        let cases: [(&[&[Part]], &[Part]); 4] = [
            (&[&[("a", Some((0, 40)))], &[("a", Some((40, 100))), ("b", None)]], &[("a", None), ("b", None)]),
            (&[&[("a", Some((40, 100)))], &[("a", Some((0, 40)))]], &[("a", None)]),
            (&[&[("a", Some((0, 40))), ("a", Some((50, 100)))]], &[("a", Some((0, 40))), ("a", Some((50, 100)))]),
            (&[&[("a", None)], &[("a", None)]], &[("a", None), ("a", None)]),
        ];
        for (groups, expected) in cases {
            let file = |(name, range): &Part| part(name, *range);
            let groups: Vec<_> = groups.iter().map(|group| FileGroup::new(group.iter().map(file).collect())).collect();
            let found = joined(&groups);
            let shown = |file: &PartitionedFile| {
                (file.object_meta.location.to_string(), file.range.as_ref().map(|range| (range.start, range.end)))
            };
            let expected: Vec<_> = expected.iter().map(|(name, range)| ((*name).to_owned(), *range)).collect();
            assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected);
        }
    }
}
