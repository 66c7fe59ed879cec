//! Positioned reads: a `Read + Seek` over a file whose seeks cost nothing.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// A file read at a position of its own, with one system call per read; a seek only changes the position. Made for
/// [`count_rows`](super::count_rows), which reads a few bytes at many offsets.
///
/// The file's own position is unchanged on Unix, and undefined elsewhere.
#[derive(Debug)]
pub struct Positioned {
    file: File,
    at: u64,
}

impl Positioned {
    /// Creates a reader at the start of the file.
    pub fn new(file: File) -> Self {
        Positioned { file, at: 0 }
    }
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = read_at(&mut self.file, buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Positioned {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(unix)]
fn read_at(file: &mut File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(not(unix))]
fn read_at(file: &mut File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    file.read(buffer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn positioned_reads_and_seeks_as_a_file() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let whole = std::fs::read(&path).unwrap();
        let mut file = Positioned::new(File::open(&path).unwrap());
        for to in [SeekFrom::Start(5), SeekFrom::End(-7), SeekFrom::Current(-3), SeekFrom::Start(1 << 40)] {
            let mut plain = File::open(&path).unwrap();
            plain.seek(SeekFrom::Start(file.at)).unwrap();
            assert_eq!(file.seek(to).unwrap(), plain.seek(to).unwrap(), "{to:?}");
            let mut ends = [Vec::new(), Vec::new()];
            let at = file.at;
            file.read_to_end(&mut ends[0]).unwrap();
            plain.read_to_end(&mut ends[1]).unwrap();
            assert_eq!(ends[0], ends[1], "{to:?}");
            assert!(whole.ends_with(&ends[0]));
            file.seek(SeekFrom::Start(at)).unwrap();
        }
        assert!(file.seek(SeekFrom::Current(i64::MIN)).is_err());
    }
}
