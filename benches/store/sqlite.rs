//! The same articles in `SQLite`: WAL, each commit on the disk before it counts, the same bodies, and an index for
//! everything that ours answers.

use std::path::Path;

use aggd::model::article::{Article, Key};
use rusqlite::{Connection, params};

/// A database with the tables of an aggregator.
pub(crate) struct Sqlite {
    pub(crate) connection: Connection,
    tags: std::collections::HashMap<String, i64>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;
                 CREATE TABLE IF NOT EXISTS article (seq INTEGER PRIMARY KEY, head BLOB, body BLOB);
                 CREATE TABLE IF NOT EXISTS key (hash BLOB, kind INTEGER, seq INTEGER,
                     PRIMARY KEY (hash, kind, seq)) WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS posting (list INTEGER, published INTEGER, seq INTEGER,
                     PRIMARY KEY (list, published, seq)) WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS sighting (seq INTEGER, source TEXT, guid BLOB, data BLOB,
                     PRIMARY KEY (seq, source, guid)) WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS list (id INTEGER PRIMARY KEY, name TEXT UNIQUE, count INTEGER, touched INTEGER);
                 CREATE TABLE IF NOT EXISTS state (source TEXT PRIMARY KEY, data BLOB);",
            )
            .unwrap();
        Self {
            connection,
            tags: std::collections::HashMap::new(),
        }
    }

    /// Another connection for readers.
    pub(crate) fn reader(path: &Path) -> Connection {
        Connection::open(path).unwrap()
    }

    fn list(&mut self, name: &str) -> i64 {
        if let Some(id) = self.tags.get(name) {
            return *id;
        }
        let mut insert = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO list (name, count, touched) VALUES (?1, 0, 0)")
            .unwrap();
        insert.execute([name]).unwrap();
        let id = self
            .connection
            .query_row("SELECT id FROM list WHERE name = ?1", [name], |row| {
                row.get(0)
            })
            .unwrap();
        drop(insert);
        self.tags.insert(name.to_owned(), id);
        id
    }

    /// One commit.
    pub(crate) fn commit(&mut self, first: u64, articles: &[(Article, Vec<Key>)]) {
        self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (seq, (article, keys)) in (first..).zip(articles) {
            self.put(i64::try_from(seq).unwrap(), article, keys);
        }
        let source = articles[0].0.head.source.as_str();
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO state VALUES (?1, ?2)")
            .unwrap()
            .execute(params![source, [7u8; 300].as_slice()])
            .unwrap();
        self.connection.execute_batch("COMMIT").unwrap();
    }

    fn put(&mut self, seq: i64, article: &Article, keys: &[Key]) {
        let head = rmp_serde::to_vec(&article.head).unwrap();
        let body = rmp_serde::to_vec(&(&article.entry, &article.about)).unwrap();
        let body = zstd::bulk::compress(&body, 3).unwrap();
        let published = article.head.published.as_micros();
        let mut names = vec!["all".to_owned()];
        names.extend(article.head.tags.iter().map(|tag| tag.key.clone()));
        names.extend(article.head.categories.iter().map(|of| format!("c {of}")));
        for seen in &article.head.seen_at {
            let name = format!("f {}", seen.source);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let lists: Vec<i64> = names.iter().map(|name| self.list(name)).collect();
        let connection = &self.connection;
        connection
            .prepare_cached("INSERT INTO article VALUES (?1, ?2, ?3)")
            .unwrap()
            .execute(params![seq, head, body])
            .unwrap();
        let mut posting = connection
            .prepare_cached("INSERT INTO posting VALUES (?1, ?2, ?3)")
            .unwrap();
        let mut count = connection
            .prepare_cached("UPDATE list SET count = count + 1, touched = ?2 WHERE id = ?1")
            .unwrap();
        for list in lists {
            posting.execute(params![list, published, seq]).unwrap();
            count.execute(params![list, published]).unwrap();
        }
        let mut key = connection
            .prepare_cached("INSERT OR IGNORE INTO key VALUES (?1, ?2, ?3)")
            .unwrap();
        for one in keys {
            let (kind, hash) = match one {
                Key::Guid(hash) => (0, hash),
                Key::Url(hash) => (1, hash),
                Key::Content(hash) => (2, hash),
            };
            key.execute(params![hash.to_be_bytes().as_slice(), kind, seq])
                .unwrap();
        }
        let mut sighting = connection
            .prepare_cached("INSERT OR IGNORE INTO sighting VALUES (?1, ?2, ?3, ?4)")
            .unwrap();
        for seen in &article.sightings {
            let data = rmp_serde::to_vec(seen).unwrap();
            let source = seen.source.as_ref().unwrap().as_str();
            let guid = seen.guid_key.to_be_bytes();
            sighting
                .execute(params![seq, source, guid.as_slice(), data])
                .unwrap();
        }
    }
}

/// The newest 50 of a list, whole.
pub(crate) fn newest(connection: &Connection, list: &str) -> usize {
    let mut query = connection
        .prepare_cached(
            "SELECT a.head, a.body FROM posting p JOIN article a ON a.seq = p.seq
             WHERE p.list = (SELECT id FROM list WHERE name = ?1)
             ORDER BY p.published DESC, p.seq DESC LIMIT 50",
        )
        .unwrap();
    let rows = query.query_map([list], |row| {
        let body: Vec<u8> = row.get(1)?;
        Ok(zstd::bulk::decompress(&body, 1 << 20).unwrap().len())
    });
    rows.unwrap().map(Result::unwrap).filter(|n| *n > 0).count()
}
