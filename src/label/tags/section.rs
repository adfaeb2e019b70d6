//! The section of a site that an address tells: `https://paper.example/politics/2026/03/01/budget.html`.

use percent_encoding::percent_decode_str;
use url::Url;

/// Folders that say what kind of page it is, or where it is kept, and nothing of its subject.
const NO_SECTIONS: &[&str] = &[
    "a",
    "about",
    "amp",
    "api",
    "archive",
    "archives",
    "art",
    "article",
    "articles",
    "author",
    "authors",
    "blog",
    "blogs",
    "categories",
    "category",
    "cms",
    "comments",
    "content",
    "contents",
    "de",
    "detail",
    "details",
    "doc",
    "docs",
    "document",
    "download",
    "downloads",
    "en",
    "entry",
    "entries",
    "episode",
    "episodes",
    "es",
    "feed",
    "feeds",
    "file",
    "files",
    "forum",
    "fr",
    "guid",
    "home",
    "html",
    "index",
    "info",
    "issue",
    "issues",
    "item",
    "items",
    "it",
    "ja",
    "ko",
    "link",
    "list",
    "live",
    "media",
    "misc",
    "mobile",
    "new",
    "news",
    "newsletter",
    "node",
    "notes",
    "old",
    "p",
    "page",
    "pages",
    "permalink",
    "post",
    "posts",
    "press",
    "print",
    "public",
    "read",
    "release",
    "releases",
    "report",
    "reports",
    "ru",
    "rss",
    "search",
    "show",
    "site",
    "static",
    "status",
    "stories",
    "story",
    "tag",
    "tags",
    "text",
    "thread",
    "threads",
    "topic",
    "topics",
    "update",
    "updates",
    "upload",
    "uploads",
    "user",
    "users",
    "video",
    "videos",
    "view",
    "web",
    "wiki",
    "www",
    "zh",
];

/// Hosts on which the first folder is somebody's name.
const OWNED: &[&str] = &[
    "bitbucket.org",
    "codeberg.org",
    "github.com",
    "gitlab.com",
    "medium.com",
    "youtube.com",
    "reddit.com",
    "substack.com",
    "twitter.com",
    "x.com",
    "facebook.com",
    "instagram.com",
    "archive.org",
    "sourceforge.net",
];

/// The section, if the address has one.
pub(super) fn of_url(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    let host = host.strip_prefix("www.").unwrap_or(host);
    if !matches!(url.scheme(), "http" | "https") || OWNED.contains(&host) {
        return None;
    }
    let mut folders = url.path_segments()?;
    let first = folders.next()?;
    // The last part names the article itself.
    folders.next().filter(|next| !next.is_empty())?;
    let name = percent_decode_str(first).decode_utf8().ok()?;
    let fewest = if name.is_ascii() { 4 } else { 2 };
    let letters = name.chars().filter(|c| c.is_alphabetic()).count();
    let is_word = name.chars().all(|c| c.is_alphabetic() || c == '-')
        && (fewest..=24).contains(&letters)
        && name.matches('-').count() <= 1
        && !name.starts_with(['-', '@', '_']);
    let lower = name.to_lowercase();
    (is_word && !NO_SECTIONS.contains(&lower.as_str())).then(|| lower.replace('-', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_told_from_folders() {
        for (url, section) in [
            (
                "https://paper.example/politics/2026/03/01/budget.html",
                Some("politics"),
            ),
            (
                "https://paper.example/Real-Estate/12345",
                Some("real estate"),
            ),
            ("https://portal.example.cn/社会/1.html", Some("社会")),
            (
                "https://portal.example.cn/%E7%A4%BE%E4%BC%9A/1.html",
                Some("社会"),
            ),
            ("https://paper.example/2026/03/01/budget.html", None),
            ("https://paper.example/news/budget.html", None),
            ("https://paper.example/the-long-title-of-a-post/", None),
            ("https://paper.example/politics/", None),
            ("https://github.com/rust-lang/rust/releases/tag/1.90", None),
            ("https://blog.example/@user/post", None),
            ("https://paper.example/xyz/1", None),
            ("file:///politics/1", None),
            ("not a url", None),
        ] {
            assert_eq!(of_url(url).as_deref(), section, "{url}");
        }
    }
}
