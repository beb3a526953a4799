//! A recorded trace: the requests of a real program in the order they were made.
//!
//! A file holds fixed-size little-endian records without a header, compressed with zstd. The ending of its name
//! says which records they are:
//!
//! | ending      | record                                                                |
//! |-------------|-----------------------------------------------------------------------|
//! | `.u64.zst`  | u64 key                                                               |
//! | `.ks.zst`   | u64 key, u32 size in bytes                                            |
//! | `.kstt.zst` | u64 key, u32 size in bytes, u32 time to live in s, u32 time in s      |
//!
//! Decoding also numbers the distinct keys 0, 1, 2 ... in the order of their first request. The baselines work
//! on these numbers, so that they index arrays where a cache has to hash.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::failure::{Failure, short_name};
use crate::progress::Counter;

/// What is wrong with an empty file.
const EMPTY: &str = "holds no requests; record the trace again";

/// The records a file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Keys alone.
    Keys,
    /// Keys with sizes.
    Sized,
    /// Keys with sizes, times to live and times.
    Timed,
}

impl Format {
    /// Every format with the ending of its files.
    const ENDINGS: [(&'static str, Self); 3] =
        [(".u64.zst", Self::Keys), (".ks.zst", Self::Sized), (".kstt.zst", Self::Timed)];

    /// The format of a file by its name, and the name without the ending.
    fn of(path: &Path) -> Result<(Self, String), Failure> {
        let name = short_name(path);
        for (ending, format) in Self::ENDINGS {
            if let Some(stem) = name.strip_suffix(ending) {
                return Ok((format, stem.to_owned()));
            }
        }
        Err(Failure::file(path, "not a trace by its name, which must end in .u64.zst, .ks.zst or .kstt.zst"))
    }

    /// Bytes in one record.
    pub fn record(self) -> usize {
        match self {
            Self::Keys => 8,
            Self::Sized => 12,
            Self::Timed => 20,
        }
    }
}

/// Lifetimes, one of each for every request.
#[derive(Debug, Default)]
pub struct Times {
    /// When the request was made, in seconds; never runs backwards.
    pub at: Vec<u32>,
    /// How long a value inserted by this request lives, in seconds.
    pub ttl: Vec<u32>,
}

/// A decoded trace. All vectors over requests have the same length, and there is at least one request.
#[derive(Debug, Default)]
pub struct Trace {
    /// The file name without its ending.
    pub name: String,
    /// The key of each request.
    pub keys: Vec<u64>,
    /// The number of each request's key, dense from 0.
    pub ids: Vec<u32>,
    /// How many distinct keys there are.
    pub unique: usize,
    /// The size of each distinct key in bytes, the largest seen for it; none if the format has no sizes.
    pub sizes: Option<Vec<u32>>,
    /// The lifetimes; none if the format has none.
    pub times: Option<Times>,
}

impl Trace {
    /// Reads and decodes a file; `counter` follows the requests.
    pub fn read(path: &Path, counter: &Counter) -> Result<Self, Failure> {
        let (format, name) = Format::of(path)?;
        let refuse = |error: std::io::Error| Failure::file(path, explain(&error));
        let file = File::open(path).map_err(refuse)?;
        if file.metadata().is_ok_and(|about| about.is_file() && about.len() == 0) {
            return Err(Failure::file(path, EMPTY));
        }
        let mut stream = zstd::Decoder::new(file).map_err(refuse)?;
        let mut decoder = Decoder::new(name, format);
        let mut block = vec![0; format.record() * 8192];
        loop {
            let filled = fill(&mut stream, &mut block).map_err(refuse)?;
            if filled % format.record() != 0 {
                return Err(Failure::file(path, decoder.cut_short(filled)));
            }
            decoder.push(&block[..filled]).map_err(|message| Failure::file(path, message))?;
            counter.add((filled / format.record()) as u64);
            if filled < block.len() {
                break;
            }
        }
        if decoder.trace.ids.is_empty() {
            return Err(Failure::file(path, EMPTY));
        }
        Ok(decoder.trace)
    }

    /// How many requests there are.
    pub fn requests(&self) -> usize {
        self.ids.len()
    }

    /// The bytes of all distinct keys together, if sizes are known.
    pub fn footprint(&self) -> Option<u64> {
        Some(self.sizes.as_ref()?.iter().map(|&size| u64::from(size)).sum())
    }

    /// For every request, the index of the next request of the same key; `u32::MAX` after the last.
    pub fn next_uses(&self) -> Vec<u32> {
        let mut seen = vec![u32::MAX; self.unique];
        let mut next = vec![u32::MAX; self.ids.len()];
        for (index, &id) in self.ids.iter().enumerate().rev() {
            next[index] = std::mem::replace(&mut seen[id as usize], index as u32);
        }
        next
    }
}

/// A trace while its records come in.
struct Decoder {
    trace: Trace,
    format: Format,
    numbers: HashMap<u64, u32, ahash::RandomState>,
}

impl Decoder {
    /// An empty trace of a format.
    fn new(name: String, format: Format) -> Self {
        let sizes = (format != Format::Keys).then(Vec::new);
        let times = (format == Format::Timed).then(Times::default);
        let trace = Trace { name, sizes, times, ..Trace::default() };
        Self { trace, format, numbers: HashMap::default() }
    }

    /// Adds whole records.
    fn push(&mut self, records: &[u8]) -> Result<(), String> {
        for record in records.chunks_exact(self.format.record()) {
            let field =
                |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
            let id = self.key(u64::from(field(0)) | u64::from(field(4)) << 32)?;
            if let Some(sizes) = &mut self.trace.sizes {
                sizes.resize(self.trace.unique, 0);
                sizes[id] = sizes[id].max(field(8));
            }
            if let Some(times) = &mut self.trace.times {
                times.ttl.push(field(12));
                times.push_time(field(16))?;
            }
        }
        Ok(())
    }

    /// Adds the key of the next request and returns its number.
    fn key(&mut self, key: u64) -> Result<usize, String> {
        if self.trace.ids.len() == u32::MAX as usize {
            return Err("holds more than 4,294,967,295 requests; cut it into several traces".into());
        }
        let fresh = self.numbers.len() as u32;
        let id = *self.numbers.entry(key).or_insert(fresh);
        self.trace.unique = self.numbers.len();
        self.trace.keys.push(key);
        self.trace.ids.push(id);
        Ok(id as usize)
    }

    /// The message for a last record that is not whole.
    fn cut_short(&self, filled: usize) -> String {
        let (record, ending) = (self.format.record(), Format::ENDINGS[self.format as usize].0);
        let left = filled % record;
        format!(
            "ends {left} bytes into a record of {record}; it is cut short, or not made of {ending} records"
        )
    }
}

impl Times {
    /// Adds the time of the next request.
    fn push_time(&mut self, at: u32) -> Result<(), String> {
        match self.at.last() {
            Some(&last) if at < last => Err(format!(
                "request {} is at {at} s, before the one ahead of it at {last} s; sort it by time",
                self.at.len()
            )),
            _ => {
                self.at.push(at);
                Ok(())
            }
        }
    }
}

/// Reads until the buffer is full or the stream ends, and returns how much was read.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// An error of the system or of zstd in words that say what to do.
fn explain(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file; check the path given to --trace".into(),
        ErrorKind::PermissionDenied => "may not be read; check its permissions".into(),
        ErrorKind::IsADirectory => "is a folder; name a trace file in it".into(),
        ErrorKind::UnexpectedEof => "the compressed stream breaks off; copy the file again".into(),
        ErrorKind::Other => format!("not a sound zstd file ({error}); compress the records with zstd"),
        _ => format!("cannot be read ({error})"),
    }
}
