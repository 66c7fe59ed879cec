//! Workers, for the tests of queries on several machines.

use super::Folder;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Makes the planner use several tasks for small files.
pub(crate) const SMALL_TASKS: &str = "SET distributed.file_scan_config_bytes_per_partition = 4096;";

/// A worker process, which ends with the test.
pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Worker {
    pub(crate) fn start(folder: &Folder, options: &[&str]) -> Worker {
        let mut arguments = vec!["worker", "--threads", "1"];
        if !options.contains(&"--listen") {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        arguments.extend(options);
        let mut child = folder.command(&arguments).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http"), "{url:?}");
        Worker { child, url: url.trim().to_owned() }
    }

    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
