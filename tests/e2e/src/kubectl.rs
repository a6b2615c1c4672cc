//! Real kubectl.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

/// kubectl with a home of its own.
pub struct Kubectl {
    home: TempDir,
    kubeconfig: PathBuf,
}

/// What a run of kubectl gave.
#[derive(Debug)]
pub struct Output {
    /// Whether the exit code was 0.
    pub success: bool,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// Longer than anything here takes; a kubectl that hangs must not hang the tests.
const LIMIT: Duration = Duration::from_secs(60);

impl Kubectl {
    /// kubectl with this kubeconfig. `None`, with a message, if there is no kubectl on this machine.
    pub async fn new(kubeconfig: &str) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig).unwrap();
        Self::with(home, path).await
    }

    /// kubectl with a kubeconfig that is a file already.
    pub async fn with_file(kubeconfig: &Path) -> Option<Self> {
        Self::with(tempfile::tempdir().unwrap(), kubeconfig.to_owned()).await
    }

    async fn with(home: TempDir, kubeconfig: PathBuf) -> Option<Self> {
        let found = Command::new("kubectl").args(["version", "--client"]).stdout(Stdio::null()).status().await;
        if found.is_err() {
            #[expect(clippy::print_stderr, reason = "a skipped test must say so")]
            {
                eprintln!("SKIPPED: there is no kubectl on this machine (Debian package kubernetes-client)");
            }
            return None;
        }
        Some(Self { home, kubeconfig })
    }

    /// The folder that is its home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs kubectl with `input` on its standard input.
    pub async fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new("kubectl")
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.home.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may end without having read everything.
        let _closed_early = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(LIMIT, child.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("kubectl {arguments:?} hangs"))
            .unwrap();
        Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs kubectl, which must succeed, and returns what it printed. Arguments are split at blanks.
    pub async fn ok(&self, arguments: &str) -> String {
        self.ok_with(arguments, "").await
    }

    /// Runs kubectl with input, which must succeed, and returns what it printed.
    pub async fn ok_with(&self, arguments: &str, input: &str) -> String {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let output = self.run(&arguments, input).await;
        assert!(output.success, "kubectl {arguments:?}: {output:?}");
        output.stdout
    }

    /// Runs kubectl with input, which must fail with a message that contains `expect`.
    pub async fn fails_with(&self, arguments: &str, input: &str, expect: &str) {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let output = self.run(&arguments, input).await;
        assert!(!output.success, "kubectl {arguments:?} succeeds: {output:?}");
        assert!(output.stderr.contains(expect), "kubectl {arguments:?}: {expect:?} is not in {output:?}");
    }
}
