//! Reads a file of the log frame by frame, also past what is damaged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::Pos;
use crate::store::Error;
use crate::store::frame::{self, FrameHead, Peek};

/// Bytes that are read at a time.
const WINDOW: usize = 1 << 20;

/// Bytes that are no frames though frames follow them, or though there should be some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Hole {
    pub(in crate::store) file: u32,
    pub(in crate::store) from: u64,
    pub(in crate::store) to: u64,
}

/// A frame that was read.
#[derive(Debug)]
pub(in crate::store) struct Read<'a> {
    pub(in crate::store) head: FrameHead,
    pub(in crate::store) pos: Pos,
    pub(in crate::store) bytes: &'a [u8],
}

/// Reads every sound frame of a stretch; false if `each` has had enough. The outer error is the disk's.
pub(super) fn scan_window(
    mut window: Window<'_>,
    number: u32,
    mut at: u64,
    holes: &mut Vec<Hole>,
    each: &mut impl FnMut(Read<'_>) -> Result<bool, Error>,
) -> Result<Result<bool, Error>, io::Error> {
    while at < window.length {
        if let Some((head, bytes)) = window.frame(at)? {
            let pos = Pos { file: number, at };
            at += bytes.len() as u64;
            match each(Read { head, pos, bytes }) {
                Ok(true) => {}
                done => return Ok(done),
            }
        } else {
            let to = window.next_frame(at + 1)?;
            holes.push(Hole {
                file: number,
                from: at,
                to,
            });
            at = to;
        }
    }
    Ok(Ok(true))
}

/// A stretch of a file in memory.
pub(super) struct Window<'a> {
    file: &'a File,
    length: u64,
    at: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self {
            file,
            length: file.metadata()?.len(),
            at: 0,
            bytes: Vec::new(),
        })
    }

    /// Up to a place in the file, as if it ended there.
    pub(super) fn upto(file: &'a File, length: u64) -> Self {
        Self {
            file,
            length,
            at: 0,
            bytes: Vec::new(),
        }
    }

    /// Makes `count` bytes from `at` available, or all up to the file's end.
    fn load(&mut self, at: u64, count: usize) -> io::Result<&[u8]> {
        let end = at.saturating_add(count as u64).min(self.length);
        let have = self.at + self.bytes.len() as u64;
        if at < self.at || end > have {
            let count = usize::try_from((end - at).max(WINDOW as u64).min(self.length - at))
                .unwrap_or(WINDOW);
            self.bytes.resize(count, 0);
            self.file.read_exact_at(&mut self.bytes, at)?;
            self.at = at;
        }
        let from = usize::try_from(at - self.at).unwrap_or(0);
        Ok(&self.bytes[from..])
    }

    /// The sound frame at this place, if there is one.
    pub(super) fn frame(&mut self, at: u64) -> io::Result<Option<(FrameHead, &[u8])>> {
        let mut count = frame::PREFIX;
        loop {
            if at >= self.length || self.length - at < count as u64 {
                return Ok(None);
            }
            match frame::peek(self.load(at, count)?) {
                Peek::Needs(more) => count = more,
                Peek::Bad => return Ok(None),
                Peek::Frame(head, length) => {
                    return Ok(Some((head, &self.load(at, length)?[..length])));
                }
            }
        }
    }

    /// The place of the next sound frame, or the file's end.
    pub(super) fn next_frame(&mut self, mut at: u64) -> io::Result<u64> {
        while at < self.length {
            let bytes = self.load(at, WINDOW.min(4096))?;
            let marks = bytes.windows(4);
            let Some(skip) = marks.into_iter().position(|w| w == frame::MARK) else {
                // The last three bytes may be the beginning of a mark.
                let step = bytes.len().saturating_sub(3).max(1);
                if at + bytes.len() as u64 >= self.length {
                    return Ok(self.length);
                }
                at += step as u64;
                continue;
            };
            at += skip as u64;
            if self.frame(at)?.is_some() {
                return Ok(at);
            }
            at += 1;
        }
        Ok(self.length)
    }
}
