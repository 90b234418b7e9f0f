//! A file of records, framed as TensorFlow's TFRecord:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | length of the data, little endian |
//! | 4 | masked checksum of these 8 bytes |
//! | length | the data |
//! | 4 | masked checksum of the data |
//!
//! The checksum is CRC-32C (Castagnoli), turned right by 15 bits, plus `0xa282ead8`: so a checksum over data that hold
//! checksums is no weaker.

use crate::diagnostic::{Result, io_error};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

fn masked_checksum(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// `data` as a record.
fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_checksum(&length), data, &masked_checksum(data)].concat()
}

/// A file that grows by whole records. Each goes to the system in one piece, so a program that is killed leaves no half
/// of one.
pub struct RecordFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole records.
    length: u64,
}

impl RecordFile {
    /// Makes the file, and the directory around it.
    ///
    /// # Errors
    /// Where the file system refuses, or the file is there already.
    pub fn create(path: &Path) -> Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(|error| io_error("make the directory", directory, &error))?;
        }
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.map_err(|error| io_error("write", path, &error))?;
        Ok(RecordFile { path: path.to_owned(), file, length: 0 })
    }

    /// Appends a record.
    ///
    /// # Errors
    /// Where the file system refuses; the file then ends with the record before.
    pub fn append(&mut self, data: &[u8]) -> Result<()> {
        let record = framed(data);
        self.file.write_all(&record).map_err(|error| {
            // What of it came onto a disk that is now full is no record.
            let _ = self.file.set_len(self.length);
            io_error("write", &self.path, &error)
        })?;
        self.length += record.len() as u64;
        Ok(())
    }

    /// Has the records lie on the disk before it returns, safe from a failure of the machine.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| io_error("write", &self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of RFC 3720, B.4.
    #[test]
    fn the_checksum_is_castagnolis() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        let read_command = b"\x01\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x14\0\0\0\0\0\x04\0\0\0\0\x14\0\0\0\x18\x28\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0";
        let vectors: [(&[u8], u32); 5] = [
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (&descending, 0x113f_db5c),
            (read_command, 0xd996_3a56),
        ];
        for (data, checksum) in vectors {
            assert_eq!(crc32c::crc32c(data), checksum, "{data:?}");
        }
    }

    /// What `tf.io.TFRecordWriter` of TensorFlow 2.21 writes for the record `trainyard`.
    #[test]
    fn a_record_is_framed_as_tensorflow_frames_it() {
        let record = framed(b"trainyard");
        assert_eq!(crate::text::hexadecimal(&record), "090000000000000037f97139747261696e79617264b0e25769");
    }

    #[test]
    fn a_file_grows_by_records_and_is_never_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("train/events");
        let mut file = RecordFile::create(&path).unwrap();
        file.append(b"one").unwrap();
        file.append(b"").unwrap();
        file.sync().unwrap();
        assert_eq!(fs::read(&path).unwrap(), [framed(b"one"), framed(b"")].concat());
        assert!(RecordFile::create(&path).is_err_and(|problem| problem.message.contains("exists")));
    }
}
