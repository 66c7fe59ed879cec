//! Splits remote files into byte ranges that are large enough to pay for their requests.

use crate::io::readahead::REMOTE;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;

/// Bytes of a range. Each range costs an extra request for its last block, and no range is much smaller than this.
const RANGE_MIN: u64 = 2 * REMOTE;

/// Splits files into about this many groups of equal size; `None` if splitting does not help.
pub(crate) fn split_remote_files(groups: &[FileGroup], partitions: usize) -> Option<Vec<FileGroup>> {
    let files: Vec<&PartitionedFile> = groups.iter().flat_map(FileGroup::iter).collect();
    let bytes = files.iter().map(|file| file.object_meta.size).sum::<u64>();
    let part = (bytes / partitions.max(1) as u64).max(RANGE_MIN);
    let n_parts = |file: &PartitionedFile| (file.object_meta.size.saturating_add(part / 2) / part).max(1);
    let is_cut = files.iter().any(|file| file.range.is_some());
    if is_cut || files.iter().all(|file| n_parts(file) == 1) {
        return None;
    }
    let mut parts = Vec::new();
    for file in files {
        let (n, size) = (n_parts(file), file.object_meta.size);
        if n == 1 {
            parts.push(file.clone());
            continue;
        }
        let len = size.div_ceil(n);
        let bound = |i: u64| i64::try_from((i * len).min(size)).unwrap_or(i64::MAX);
        parts.extend((0..n).map(|i| file.clone().with_range(bound(i), bound(i + 1))));
    }
    // Idle partitions steal files from others, so group sizes need only be roughly equal.
    let (len, n) = (parts.len(), partitions.clamp(1, parts.len()));
    let mut parts = parts.into_iter();
    let group = |i: usize| FileGroup::new(parts.by_ref().take((i + 1) * len / n - i * len / n).collect());
    Some((0..n).map(group).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn split_makes_even_ranges_of_minimum_size() {
        // File sizes and number of partitions; the ranges of each file. In MiB.
        type Case = (&'static [u64], usize, Option<&'static [&'static [u64]]>);
        let cases: &[Case] = &[
            (&[], 4, None),
            (&[1, 2, 3], 4, None),
            (&[23], 4, None),
            (&[24], 4, Some(&[&[12, 12]])),
            (&[1000], 1, None),
            (&[1000], 4, Some(&[&[250, 250, 250, 250]])),
            (&[60], 100, Some(&[&[15, 15, 15, 15]])),
            (&[100, 100], 2, None),
            (&[300, 100], 2, Some(&[&[150, 150], &[100]])),
            (&[1, 70, 1], 2, Some(&[&[1], &[35, 35], &[1]])),
        ];
        check_all(cases, |(files, partitions, expected)| {
            let file = |(i, mib): (usize, &u64)| PartitionedFile::new(format!("{i:02}"), mib << 20);
            let groups = FileGroup::new(files.iter().enumerate().map(file).collect()).split_files(*partitions);
            let found = split_remote_files(&groups, *partitions).map(|groups| {
                assert!(groups.len() <= *partitions && groups.iter().all(|group| !group.is_empty()));
                let mut found = vec![vec![]; files.len()];
                for file in groups.iter().flat_map(FileGroup::iter) {
                    let size = file.object_meta.size as i64;
                    let (start, end) = file.range.as_ref().map_or((0, size), |range| (range.start, range.end));
                    let at = file.object_meta.location.as_ref().parse::<usize>().unwrap_or_default();
                    assert_eq!(start, found[at].iter().sum::<i64>() << 20, "no gap");
                    found[at].push((end - start) >> 20);
                }
                found
            });
            let expected = expected.map(|files| {
                files.iter().map(|parts| parts.iter().map(|&mib| mib as i64).collect()).collect::<Vec<Vec<_>>>()
            });
            assert_eq!(found, expected, "{files:?} in {partitions}");
        });
    }
}
