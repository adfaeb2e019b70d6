//! Brings in a body within limits: of bytes on the wire, of bytes once decoded, of time between two reads, and of
//! memory that all bodies may take together. A body that is cut off, or larger than it may be, is no body.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzDecoder;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use xxhash_rust::xxh3::Xxh3;

use super::{Error, Options};

/// Compressed bytes that are decoded in one go, so that a bomb is looked at again every few megabytes.
const SLICE: usize = 4 << 10;
/// What every visit may hold without asking: most feeds need no more.
const FREE: usize = 64 << 10;
/// What the transport may have in its buffers of each visit beside that.
const BUFFERED: usize = 256 << 10;
/// Room that is made at once where a length was announced: memory that nothing is written to costs nothing.
const ROOM: usize = 256 << 10;
/// A larger body comes in pieces of this size: one that grows in one piece is moved again and again, and takes twice its
/// size each time.
const PIECE: usize = 1 << 20;
/// The unit in which memory is lent.
const UNIT: usize = 64 << 10;

/// Memory for bodies beyond what each visit has for free.
#[derive(Debug)]
pub(super) struct Budget {
    growth: Arc<Semaphore>,
    /// When everything is lent, one body at a time may still grow to its limit: else all would wait for all.
    last: Arc<Semaphore>,
}

impl Budget {
    /// `bytes` for all: what each visit has for free or in buffers, and the one body beyond it count, too.
    pub(super) fn new(bytes: usize, options: &Options) -> Self {
        let free = options.in_flight.saturating_mul(FREE + BUFFERED);
        let beyond = usize::try_from(options.max_body).unwrap_or(usize::MAX);
        let lent = bytes
            .saturating_sub(free)
            .saturating_sub(beyond)
            .max(bytes / 4);
        Self {
            growth: Arc::new(Semaphore::new(lent / UNIT)),
            last: Arc::new(Semaphore::new(1)),
        }
    }
}

/// Memory on loan; it goes back when this is dropped.
#[derive(Debug, Default)]
pub struct Held {
    lent: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Makes sure that `bytes` are covered, and waits until they are.
    async fn cover(&mut self, bytes: usize, budget: &Budget) {
        if bytes <= FREE || self.beyond.is_some() {
            return;
        }
        let units = bytes.div_ceil(UNIT);
        let lent = self
            .lent
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(more) = u32::try_from(units.saturating_sub(lent))
            .ok()
            .filter(|more| *more > 0)
        else {
            return;
        };
        let growth = Arc::clone(&budget.growth).acquire_many_owned(more);
        let last = Arc::clone(&budget.last).acquire_owned();
        tokio::select! {
            biased;
            Ok(permit) = growth => match &mut self.lent {
                Some(lent) => lent.merge(permit),
                none => *none = Some(permit),
            },
            Ok(permit) = last => self.beyond = Some(permit),
            // The semaphores are never closed.
            else => {}
        }
    }
}

/// How much and how patiently.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes on the wire, where the body is compressed.
    pub(super) wire: u64,
    /// Bytes once decoded.
    pub(super) plain: u64,
    /// Longest silence between two reads.
    pub(super) idle: Duration,
}

/// A whole body.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) hash: u64,
    pub(super) wire: u64,
    pub(super) held: Held,
}

/// Reads a body to its end. `wire` counts what came, also where this fails.
pub(super) async fn read(
    mut response: Response,
    limits: Limits,
    budget: &Budget,
    wire: &mut u64,
) -> Result<Body, Error> {
    let coding = Coding::of(response.headers())?;
    let wire_limit = match coding {
        Coding::Identity => limits.plain,
        Coding::Gzip | Coding::Brotli => limits.wire,
    };
    let announced = response.content_length();
    if announced.is_some_and(|length| length > wire_limit) {
        return Err(Error::TooLarge { limit: wire_limit });
    }
    let mut held = Held::default();
    let mut decoder = coding.decoder(usize::try_from(limits.plain).unwrap_or(usize::MAX));
    loop {
        let chunk = tokio::time::timeout(limits.idle, response.chunk())
            .await
            .map_err(|_| Error::Timeout {
                what: "no more bytes came",
            })?
            .map_err(Error::from_body)?;
        let Some(chunk) = chunk else { break };
        *wire += chunk.len() as u64;
        if *wire > wire_limit {
            return Err(Error::TooLarge { limit: wire_limit });
        }
        if let Decoder::Identity(sink) = &mut decoder {
            held.cover(sink.len + chunk.len(), budget).await;
            sink.expect(announced);
            sink.write_all(&chunk).map_err(|_| sink.fault())?;
            continue;
        }
        for slice in chunk.chunks(SLICE) {
            decoder.write(slice)?;
            held.cover(decoder.memory(), budget).await;
        }
    }
    let bytes = decoder.finish()?;
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    let mut hasher = Xxh3::new();
    hasher.update(&bytes);
    Ok(Body {
        hash: hasher.digest(),
        bytes: bytes.into(),
        wire: *wire,
        held,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Brotli,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let mut found = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            for name in String::from_utf8_lossy(value.as_bytes()).split(',') {
                let coding = match name.trim().to_ascii_lowercase().as_str() {
                    "" | "identity" | "none" | "utf-8" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "br" => Self::Brotli,
                    other => {
                        return Err(Error::Encoding {
                            what: format!(
                                "the body is coded as {other:?}, which was not asked for"
                            ),
                        });
                    }
                };
                if found != Self::Identity {
                    return Err(Error::Encoding {
                        what: "the body is compressed more than once".to_owned(),
                    });
                }
                found = coding;
            }
        }
        Ok(found)
    }

    fn decoder(self, limit: usize) -> Decoder {
        let sink = Sink::new(limit);
        match self {
            Self::Identity => Decoder::Identity(sink),
            Self::Gzip => Decoder::Gzip {
                member: Box::new(GzDecoder::new(sink)),
                done: false,
            },
            Self::Brotli => Decoder::Brotli {
                stream: Box::new(brotli::DecompressorWriter::new(sink, 16 << 10)),
                window: None,
            },
        }
    }
}

/// Where decoded bytes go: grows up to its limit and not a byte further.
#[derive(Debug)]
struct Sink {
    /// Pieces that are full.
    full: Vec<Vec<u8>>,
    /// The piece that grows.
    last: Vec<u8>,
    len: usize,
    limit: usize,
    overflown: bool,
}

impl Sink {
    const fn new(limit: usize) -> Self {
        Self {
            full: Vec::new(),
            last: Vec::new(),
            len: 0,
            limit,
            overflown: false,
        }
    }

    /// Everything, in one piece, and no room beyond it: hundreds of bodies may wait for their turn to be read.
    fn whole(&mut self) -> Vec<u8> {
        if self.full.is_empty() {
            let mut whole = std::mem::take(&mut self.last);
            whole.shrink_to_fit();
            return whole;
        }
        let mut whole = Vec::with_capacity(self.len);
        for piece in self.full.drain(..) {
            whole.extend_from_slice(&piece);
        }
        whole.append(&mut self.last);
        whole
    }

    /// Makes room for an announced length once, up to what most feeds need: origins lie.
    fn expect(&mut self, announced: Option<u64>) {
        if let Some(length) = announced.filter(|_| self.len == 0) {
            self.last
                .reserve_exact(usize::try_from(length).unwrap_or(ROOM).min(ROOM));
        }
    }

    fn fault(&self) -> Error {
        if self.overflown {
            Error::TooLarge {
                limit: self.limit as u64,
            }
        } else {
            Error::Encoding {
                what: "the compressed body is damaged".to_owned(),
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.len + bytes.len() > self.limit {
            self.overflown = true;
            return Err(io::Error::other("over the limit"));
        }
        self.len += bytes.len();
        let (fits, more) = bytes.split_at(bytes.len().min(PIECE.saturating_sub(self.last.len())));
        self.last.extend_from_slice(fits);
        for part in more.chunks(PIECE) {
            let mut piece = Vec::with_capacity(PIECE);
            piece.extend_from_slice(part);
            self.full.push(std::mem::replace(&mut self.last, piece));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Decoder {
    Identity(Sink),
    Gzip {
        member: Box<GzDecoder<Sink>>,
        /// A member is complete: what follows is another one, or padding that some servers add.
        done: bool,
    },
    Brotli {
        stream: Box<brotli::DecompressorWriter<Sink>>,
        /// Bytes of the decoder's window, known from the first byte.
        window: Option<usize>,
    },
}

impl Decoder {
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Identity(sink) => sink.write_all(bytes).map_err(|_| sink.fault()),
            Self::Gzip { member, done } => {
                while !bytes.is_empty() {
                    if *done {
                        if bytes[0] != 0x1f {
                            return Ok(());
                        }
                        next_member(member)?;
                        *done = false;
                    }
                    match member.write(bytes) {
                        Ok(0) => *done = true,
                        Ok(taken) => bytes = &bytes[taken..],
                        Err(_) => return Err(member.get_ref().fault()),
                    }
                }
                Ok(())
            }
            Self::Brotli { stream, window } => {
                window.get_or_insert_with(|| brotli_window(bytes[0]));
                while !bytes.is_empty() {
                    match stream.write(bytes) {
                        // The stream is complete; what follows is padding.
                        Ok(0) => return Ok(()),
                        Ok(taken) => bytes = &bytes[taken..],
                        Err(_) => return Err(stream.get_ref().fault()),
                    }
                }
                Ok(())
            }
        }
    }

    /// What it takes: the bytes so far, and the decoder's own window.
    fn memory(&self) -> usize {
        match self {
            Self::Identity(sink) => sink.len,
            Self::Gzip { member, .. } => member.get_ref().len,
            // The window is filled as the output grows.
            Self::Brotli { stream, window } => {
                let out = stream.get_ref().len;
                out + out.min(window.unwrap_or(0))
            }
        }
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Identity(mut sink) => Ok(sink.whole()),
            Self::Gzip { mut member, .. } => match member.try_finish() {
                Ok(()) => Ok(member.get_mut().whole()),
                Err(_) if member.get_ref().overflown => Err(member.get_ref().fault()),
                Err(_) => Err(Error::Truncated),
            },
            Self::Brotli { mut stream, .. } => match stream.close() {
                Ok(()) => Ok(stream.get_mut().whole()),
                Err(_) if stream.get_ref().overflown => Err(stream.get_ref().fault()),
                Err(_) => Err(Error::Truncated),
            },
        }
    }
}

fn next_member(member: &mut GzDecoder<Sink>) -> Result<(), Error> {
    member.try_finish().map_err(|_| member.get_ref().fault())?;
    let limit = member.get_ref().limit;
    let sink = std::mem::replace(member.get_mut(), Sink::new(0));
    *member = GzDecoder::new(Sink { limit, ..sink });
    Ok(())
}

/// RFC 7932, 9.1: the size of the sliding window as the first byte tells it.
fn brotli_window(first: u8) -> usize {
    let bits = match first {
        b if b & 1 == 0 => 16,
        b if (b >> 1) & 7 != 0 => 17 + ((b >> 1) & 7),
        b => match (b >> 4) & 7 {
            0 => 17,
            small => 8 + small,
        },
    };
    1 << bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn brotlied(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 5, 22);
        encoder.write_all(bytes).unwrap();
        drop(encoder);
        out
    }

    fn decode(coding: Coding, bytes: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
        let mut decoder = coding.decoder(limit);
        for slice in bytes.chunks(7) {
            decoder.write(slice)?;
        }
        decoder.finish()
    }

    #[test]
    fn whole_bodies_come_out_as_they_went_in() {
        let text = b"<rss/>".repeat(1000);
        assert_eq!(decode(Coding::Gzip, &gzip(&text), 6000).unwrap(), text);
        assert_eq!(
            decode(Coding::Brotli, &brotlied(&text), 6000).unwrap(),
            text
        );
        let two = [gzip(b"<rss>"), gzip(b"</rss>")].concat();
        assert_eq!(decode(Coding::Gzip, &two, 100).unwrap(), b"<rss></rss>");
        let long: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
        for at_once in [1, 999, PIECE, PIECE + 1, long.len()] {
            let mut sink = Sink::new(long.len());
            for slice in long.chunks(at_once) {
                sink.write_all(slice).unwrap();
            }
            assert!(sink.whole() == long, "{at_once} at once");
        }
        let padded = [gzip(b"<rss/>"), vec![0; 20]].concat();
        assert_eq!(decode(Coding::Gzip, &padded, 100).unwrap(), b"<rss/>");
        let padded = [brotlied(b"<rss/>"), vec![0; 20]].concat();
        assert_eq!(decode(Coding::Brotli, &padded, 100).unwrap(), b"<rss/>");
    }

    #[test]
    fn a_cut_body_is_no_body() {
        let text: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| (n * n).to_le_bytes())
            .collect();
        for (coding, whole) in [
            (Coding::Gzip, gzip(&text)),
            (Coding::Brotli, brotlied(&text)),
        ] {
            for keep in [1, 5, 12, whole.len() / 2, whole.len() - 1] {
                let cut = decode(coding, &whole[..keep], 1 << 20);
                assert!(
                    matches!(cut, Err(Error::Truncated)),
                    "{coding:?} {keep} {cut:?}"
                );
            }
        }
    }

    #[test]
    fn what_claims_to_be_compressed_and_is_not_fails() {
        for coding in [Coding::Gzip, Coding::Brotli] {
            assert!(decode(coding, b"<?xml version='1.0'?><rss></rss>", 1000).is_err());
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let text = vec![b' '; 4 << 20];
        for (coding, bomb) in [
            (Coding::Gzip, gzip(&text)),
            (Coding::Brotli, brotlied(&text)),
        ] {
            let found = decode(coding, &bomb, 1 << 20);
            assert!(
                matches!(found, Err(Error::TooLarge { limit: 1_048_576 })),
                "{coding:?}"
            );
        }
    }

    #[test]
    fn the_window_is_read_from_the_first_byte() {
        for window in [16, 18, 20, 22, 24] {
            let mut out = Vec::new();
            let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 5, window);
            encoder.write_all(&vec![7; 1 << 20]).unwrap();
            drop(encoder);
            assert_eq!(brotli_window(out[0]), 1 << window);
        }
    }

    #[tokio::test]
    async fn when_all_memory_is_lent_one_body_still_grows() {
        let all = Options {
            in_flight: 0,
            max_body: 0,
            ..Options::default()
        };
        let budget = Budget::new(FREE + UNIT, &all);
        let mut a = Held::default();
        let mut b = Held::default();
        a.cover(FREE, &budget).await;
        assert!(a.lent.is_none(), "so much is free");
        a.cover(FREE + 1, &budget).await;
        assert!(a.lent.is_some());
        b.cover(FREE + 1, &budget).await;
        assert!(b.beyond.is_some());
        let mut c = Held::default();
        let waits = tokio::time::timeout(Duration::from_millis(20), c.cover(FREE + 1, &budget));
        assert!(waits.await.is_err(), "all is lent, and one is beyond");
        drop((a, b));
        c.cover(FREE + 1, &budget).await;
    }
}
