//! The last acknowledged revision, kept outside of the data file.
//!
//! When redb finds its last commit damaged it goes back to the one before, which is right for a commit that was
//! interrupted, and silently loses acknowledged writes when the disk has damaged a finished one. The mark tells the two
//! apart. It is written after the commit is durable and before it is acknowledged, and not synced: it survives the
//! process, and whatever of it survives the machine is not newer than the data.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::{Revision, StoreError};

const FILE: &str = "acknowledged";

pub(super) struct Mark {
    file: File,
    path: PathBuf,
}

impl Mark {
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        match opened {
            Ok(file) => Ok(Self { file, path }),
            Err(error) => Err(StoreError::Open { path, source: Box::new(error) }),
        }
    }

    /// Fails when the data ends before what was acknowledged.
    pub(super) fn check(&self, data: &Path, revision: Revision) -> Result<(), StoreError> {
        let Some(acknowledged) = self.read().filter(|acknowledged| *acknowledged > revision) else { return Ok(()) };
        let detail = format!(
            "it ends at revision {revision}, but revision {acknowledged} was acknowledged; restore a backup, or delete \
             {} to go on without the lost writes",
            self.path.display()
        );
        Err(StoreError::Corrupt { path: data.to_owned(), detail })
    }

    pub(super) fn write(&self, revision: Revision) -> io::Result<()> {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&revision.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..8]);
        bytes[8..].copy_from_slice(&checksum.to_le_bytes());
        self.file.write_all_at(&bytes, 0)
    }

    /// The revision; nothing when there is none, or when a loss of power has cut it.
    fn read(&self) -> Option<Revision> {
        let mut bytes = [0; 12];
        self.file.read_exact_at(&mut bytes, 0).ok()?;
        let (revision, checksum) = bytes.split_at(8);
        (crc32fast::hash(revision).to_le_bytes() == checksum).then_some(())?;
        revision.try_into().ok().map(u64::from_le_bytes)
    }
}
