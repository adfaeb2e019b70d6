//! The files and pictures of an article: addresses that can be shown, each once, sizes only where they can be true.

use super::plain;
use crate::model::entry::Entry;

/// A file that belongs to the article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) url: String,
    pub(super) media_type: String,
    pub(super) title: Option<String>,
    pub(super) length: Option<u64>,
    pub(super) duration: Option<u64>,
}

impl File {
    /// Without a title; its type is told by the address where nobody says it.
    fn of(
        url: String,
        media_type: Option<&str>,
        length: Option<u64>,
        duration: Option<u64>,
    ) -> Self {
        Self {
            media_type: media_type
                .and_then(plain::media_type)
                .unwrap_or_else(|| plain::media_type_of(&url).to_owned()),
            url,
            title: None,
            length: length.filter(|bytes| i64::try_from(*bytes).is_ok()),
            duration: duration.filter(|seconds| *seconds > 0),
        }
    }
}

/// A picture in a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) url: String,
    pub(super) width: Option<u64>,
    pub(super) height: Option<u64>,
}

/// Enclosures, each address once.
pub(super) fn files(entry: &Entry) -> Vec<File> {
    let mut out: Vec<File> = Vec::new();
    for enclosure in &entry.enclosures {
        let Some(url) = plain::url(&enclosure.url) else {
            continue;
        };
        if out.iter().any(|file| file.url == url) {
            continue;
        }
        let media_type = enclosure.mime_type.as_deref();
        out.push(File {
            title: plain::some_line(enclosure.title.as_deref()),
            ..File::of(url, media_type, enclosure.length, enclosure.duration)
        });
    }
    out
}

/// Media that are not among the files already.
pub(super) fn media(entry: &Entry, files: &[File]) -> Vec<File> {
    let mut out: Vec<File> = Vec::new();
    for content in entry.media.iter().flat_map(|media| &media.contents) {
        let Some(url) = plain::some_url(content.url.as_deref()) else {
            continue;
        };
        if files.iter().chain(&out).any(|file| file.url == url) {
            continue;
        }
        let length = content.length.filter(|bytes| *bytes > 0);
        let media_type = content.media_type.as_deref();
        out.push(File::of(url, media_type, length, content.duration));
    }
    out
}

/// Pictures, each address once.
pub(super) fn pictures(entry: &Entry) -> Vec<Picture> {
    let own = entry.image.iter().map(|url| (url, None, None));
    let thumbnails = entry
        .media
        .iter()
        .flat_map(|media| &media.thumbnails)
        .map(|picture| (&picture.url, picture.width, picture.height));
    let mut out: Vec<Picture> = Vec::new();
    for (url, width, height) in own.chain(thumbnails) {
        let Some(url) = plain::url(url) else { continue };
        let size = |pixels: Option<u64>| pixels.filter(|n| (1..100_000).contains(n));
        match out.iter_mut().find(|picture| picture.url == url) {
            // The same picture again, this time with its size.
            Some(known) => {
                known.width = known.width.or(size(width));
                known.height = known.height.or(size(height));
            }
            None => out.push(Picture {
                url,
                width: size(width),
                height: size(height),
            }),
        }
    }
    out
}
