//! Articles that make trouble: markup in titles, control characters, odd addresses, nothing at all; Chinese ones, podcasts,
//! and many that changed in the same second.

use std::time::Duration;

use aggd::html;
use aggd::model::entry::{
    Comments, Content, Enclosure, Episode, Link, Media, MediaContent, Person, Text, Thumbnail,
};
use aggd::model::time::Timestamp;

use super::samples::{Sample, article_at, hours};

fn text(plain: &str) -> Option<Text> {
    Some(Text {
        plain: plain.to_owned(),
        html: None,
    })
}

/// Clean, as the parser leaves it.
fn content(fragment: &str) -> Option<Content> {
    let base = "https://blog.example/feed".parse().ok();
    html::clean(fragment, base.as_ref()).map(Content::Html)
}

fn person(name: Option<&str>, email: Option<&str>, url: Option<&str>) -> Person {
    Person {
        name: name.map(str::to_owned),
        email: email.map(str::to_owned),
        url: url.map(str::to_owned),
        ..Person::default()
    }
}

/// One of each kind of trouble.
pub(crate) fn troubles() -> Vec<Sample> {
    let mut all = Vec::new();
    let mut add = |name: &str, at: &str, change: &dyn Fn(&mut Sample)| {
        let mut sample = article_at(at, name).category("tech").tag("Rust");
        sample.article.head.published = hours(0) - Duration::from_secs(60 * all.len() as u64);
        sample.article.head.updated = hours(0);
        change(&mut sample);
        all.push(sample);
    };
    add("script-in-title", "blog", &|s| {
        s.article.entry.title =
            text("<script>alert('x')</script> & <b>bold</b> &amp; &copy 5 < 6 ]]> \u{202e}");
    });
    add("controls", "blog", &|s| {
        s.article.entry.title =
            text("a\u{0}b\u{8}c\u{b}d\u{1b}e\u{85}f\u{fffe}g\u{ffff}h\u{fffd}i\r\nj\u{fdd0}");
        s.article.entry.content = Some(Content::Plain(
            "plain \u{1} text\nwith <lines> & more\n\nsecond\u{c} paragraph".to_owned(),
        ));
    });
    add("no-title", "blog", &|s| {
        s.article.entry.title = None;
        s.article.entry.content = content(&"<p>An article without title, of which the beginning has to stand for it, and which goes on and on</p>".repeat(4));
    });
    add("nothing", "blog", &|s| {
        s.article.entry.title = None;
        s.article.entry.content = None;
        s.article.entry.url = None;
        s.article.sightings[0].url = None;
    });
    add("hostile-html", "blog", &|s| {
        s.article.entry.content = content(
            "<p onclick=\"x()\" style=\"position:fixed\">a<script>alert(1)</script><iframe src=\"http://evil/\"></iframe>\
             <a href=\"javascript:x\">j</a><a href=\"/relative\">r</a><img src=x onerror=y><img src=\"https://img.example/a.png\">\
             <svg><script>1</script></svg><form><input name=a></form><p><div><p>nested</div>&nbsp;&unknown; & &#0; &#x80; ]]> <![CDATA[x]]>\
             <table><td>cell</table><b><i>wrong</b></i><object data=x></object><style>p{}</style><a href='https://x.example/?a=1&b=2'>q</a>\
             <ul><li>1<li>2</ul></p></p><button><p>x</p></button><h1>t<a href=\"#f\">z</a></h1><video src=\"v.mp4\" controls></video>",
        );
    });
    add("odd-urls", "blog", &|s| {
        s.article.entry.url =
            Some("https://user:secret@blog.example/ä b/[x]|{y}?q=ü&r=100%#f#g".to_owned());
        s.article.entry.external_url = Some("https://例え.jp/パス".to_owned());
        s.article.entry.image = Some("javascript:alert(1)".to_owned());
        s.article.about.feed_id = Some("not a uri <x>".to_owned());
        s.article.about.home_url = Some("https://blog.example/~home/".to_owned());
        s.article.about.title = "Blog <b>& Co</b>".to_owned();
    });
    add("people", "blog", &|s| {
        s.article.entry.authors = vec![
            person(
                Some("Ann <ann@blog.example>"),
                Some("ann@blog.example"),
                Some("https://blog.example/ann"),
            ),
            person(None, Some("not a mail"), None),
            person(Some("Bob"), None, Some("mailto:bob@blog.example")),
        ];
        s.article.entry.contributors = vec![person(Some("责任编辑：李四"), None, None)];
        s.article.entry.dc_source = Some("新华社 & <others>".to_owned());
        s.article.entry.rights = text("© 2026 <all> & nobody");
        s.article.entry.license = Some("https://creativecommons.org/licenses/by/4.0/".to_owned());
    });
    add("one-author", "blog", &|s| {
        s.article.entry.authors = vec![person(
            Some("Ann (the first)"),
            Some("ann@blog.example"),
            None,
        )];
        s.article.entry.comments = Some(Comments {
            url: Some("https://blog.example/c?x=1&y=2".to_owned()),
            post_url: None,
            feed_url: Some("https://blog.example/c.rss".to_owned()),
            count: Some(7),
        });
        s.article.entry.links = vec![Link {
            rel: "via".to_owned(),
            href: "https://page.example/fetched".to_owned(),
            ..Link::default()
        }];
    });
    add("episode", "pod", &|s| {
        s.article.head.categories.clear();
        s.article.entry.image = Some("https://pod.example/cover.jpg".to_owned());
        s.article.entry.enclosures = vec![
            Enclosure {
                url: "https://pod.example/1.mp3".to_owned(),
                mime_type: Some("audio/mpeg; charset=binary".to_owned()),
                title: Some("The <file>".to_owned()),
                length: Some(12345),
                duration: Some(3723),
            },
            Enclosure {
                url: "https://pod.example/1.ogg?x=1&y".to_owned(),
                mime_type: Some("nonsense".to_owned()),
                ..Enclosure::default()
            },
        ];
        s.article.entry.explicit = Some(false);
        s.article.entry.episode = Some(Box::new(Episode {
            duration: Some(3723),
            episode: Some(12),
            season: Some(2),
            episode_type: Some("full".to_owned()),
            ..Episode::default()
        }));
        s.article.entry.media = Some(Box::new(Media {
            thumbnails: vec![Thumbnail {
                url: "https://pod.example/cover.jpg".to_owned(),
                width: Some(640),
                height: Some(480),
                time: Some("nonsense".to_owned()),
            }],
            contents: vec![MediaContent {
                url: Some("https://pod.example/1.mp4".to_owned()),
                media_type: Some("video/mp4".to_owned()),
                medium: Some("nonsense".to_owned()),
                duration: Some(60),
                ..MediaContent::default()
            }],
            ..Media::default()
        }));
    });
    add("local-enclosure", "pod", &|s| {
        s.article.entry.enclosures = vec![Enclosure {
            url: "http://localhost/x.mp3".to_owned(),
            ..Enclosure::default()
        }];
    });
    add("languages", "blog", &|s| {
        s.article.head.language = Some("xx-invalid".to_owned());
    });
    add("future-feed", "blog", &|s| {
        s.article.about.updated = Timestamp::from_civil(2999, 1, 1, 0, 0, 0);
        s.article.about.feed_id = Some("urn:uuid:60a76c80-d399-11d9-b93c-0003939e0af6".to_owned());
    });
    for (number, (tag, title)) in [
        ("疫情", "疫情防控取得阶段性成果：专家“详解”——数据"),
        ("C++", "C++ & templates: std::vector<std::string>"),
        ("a/b", "A/B tests"),
        ("node.js", "node.js 30"),
        ("x & <y>", "標題與㍿ｶﾅ한국어 ภาษาไทย עברית"),
    ]
    .into_iter()
    .enumerate()
    {
        add(&format!("cjk{number}"), "ribao", &|s| {
            s.article.head.tags.clear();
            s.article.head.categories = vec!["社会新闻".to_owned()];
            *s = s
                .clone()
                .tag(tag)
                .title(title)
                .language(Some("zh-Hans"))
                .output("morning")
                .also_at("blog", &format!("copy{number}"));
            s.article.about.title = "人民日报".to_owned();
            s.article.entry.content = content(
                "<p>中国新闻网北京11月24日电　全文内容，包括“引号”、破折号——以及数字１２３。</p>",
            );
        });
    }
    all
}
