//! A PostgreSQL of its own, made of the distribution's binaries.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::error::SimError;
use crate::port::free_port;
use crate::process::{self, Process};
use crate::program;

/// Where Debian keeps its PostgreSQL releases, each in a directory named after its number.
const RELEASES: &str = "/usr/lib/postgresql";
/// PostgreSQL does not run as root; then it runs as the user Debian makes for it.
const USER: &str = "postgres";
/// Role of tests inside the database; it may do everything.
const ROLE: &str = "farrier";
const REMEDY: &str = "install the package `postgresql`";
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A running PostgreSQL, empty at its start and gone with all data when dropped.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
    // Removed after `process` has ended: fields are dropped in this order.
    _directory: TempDir,
}

impl Postgres {
    /// Makes a cluster in a temporary directory and starts it on a free port of 127.0.0.1.
    ///
    /// Nothing it writes is flushed to the disk: it is quick and must not survive anything.
    ///
    /// # Errors
    ///
    /// [`Missing`](SimError::Missing) without the package, and those of [`Process`].
    pub fn start() -> Result<Self, SimError> {
        let binaries = binaries()?;
        let user = rustix::process::geteuid().is_root().then_some(USER);
        let directory = tempfile::Builder::new()
            .prefix("farrier-postgres-")
            .tempdir()
            .map_err(SimError::io("make a temporary directory"))?;
        if let Some(user) = user {
            give(directory.path(), user)?;
        }
        let data = directory.path().join("data");
        let log = directory.path().join("log");

        let mut make = Command::new(binaries.join("initdb"));
        make.args(["--username", ROLE, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]);
        make.arg("--pgdata").arg(&data).current_dir(directory.path());
        match user {
            Some(user) => Process::start_as(user, "initdb", make, &log)?.wait_success()?,
            None => Process::start("initdb", make, &log)?.wait_success()?,
        }

        let port = free_port()?;
        let mut server = Command::new(binaries.join("postgres"));
        server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
        server.arg("-k").arg(directory.path()).current_dir(directory.path());
        for setting in ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=300"]
        {
            server.args(["-c", setting]);
        }
        let mut process = match user {
            Some(user) => Process::start_as(user, "postgres", server, &log)?,
            None => Process::start("postgres", server, &log)?,
        };
        process.wait_until("ready to accept connections", START_PATIENCE, || {
            let text = fs::read_to_string(&log).ok()?;
            text.contains("ready to accept connections").then_some(())?;
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        })?;
        Ok(Self { process, port, _directory: directory })
    }

    /// A URL of its database `postgres`, for a role that may create others.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs one statement, behind the back of whoever works with the database; what it answers, a line per row.
    ///
    /// # Errors
    ///
    /// [`Failed`](SimError::Failed) with what the server says.
    pub fn execute(&self, sql: &str) -> Result<String, SimError> {
        let mut psql = Command::new(binaries()?.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        psql.arg("--dbname").arg(self.url()).args(["--command", sql]);
        process::run(psql)
    }

    /// Cuts all connections that call themselves `application`.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn hang_up(&self, application: &str) -> Result<(), SimError> {
        let name = application.replace('\'', "''");
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
        );
        self.execute(&sql).map(drop)
    }

    /// The process id of the server.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGTERM, which follows, would wait for clients to leave; SIGINT sends them away.
        drop(self.process.signal(Signal::INT));
    }
}

/// The directory of the newest installed release's programs.
fn binaries() -> Result<PathBuf, SimError> {
    let newest = fs::read_dir(RELEASES)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .map(|release| Path::new(RELEASES).join(release.to_string()).join("bin"))
        .filter(|directory| program::is_executable(&directory.join("initdb")));
    match newest {
        Some(directory) => Ok(directory),
        // Other distributions have them on the path.
        None => {
            let file = program::find("initdb", REMEDY)?;
            Ok(file.parent().map(Path::to_owned).unwrap_or_default())
        }
    }
}

/// Makes `directory` the property of `user`, as PostgreSQL demands, and closes it to others.
fn give(directory: &Path, user: &str) -> Result<(), SimError> {
    let mut ask = Command::new("id");
    ask.args(["-u", user]);
    let id = process::run(ask)?;
    let failed = || SimError::io(format!("give `{}` to `{user}`", directory.display()));
    let id: u32 = id.trim().parse().map_err(|_| failed()(std::io::ErrorKind::InvalidData.into()))?;
    chown(directory, Some(id), None).map_err(failed())?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(failed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_asked() {
        let postgres = Postgres::start().unwrap();

        assert_eq!(postgres.execute("SELECT 1 UNION SELECT 2 ORDER BY 1").unwrap(), "1\n2\n");
        assert!(postgres.execute("SELECT nothing").unwrap_err().to_string().contains("nothing"));
    }

    #[test]
    fn it_listens_while_held_and_leaves_nothing() {
        let postgres = Postgres::start().unwrap();
        let port = postgres.port;
        let directory = postgres._directory.path().to_owned();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());

        drop(postgres);

        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        assert!(!directory.exists());
    }
}
