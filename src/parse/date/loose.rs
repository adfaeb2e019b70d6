//! The loose reader: words, numbers and signs in any order, and the roles that follow from their neighbours.
//!
//! A time is what has colons, a zone what stands behind it, a year what has four digits; a month may be a word. What cannot
//! be given a role makes the whole no date.

use super::pieces::{Piece, Token, pieces};
use super::roles::{Numeral, numeric, with_month, with_week};
use super::{Civil, Time, fraction, names, zone};
use crate::model::time::Timestamp;

/// A part of the date proper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Month(u32),
    /// Value, digits, and the sign before it.
    Number(u32, usize, char),
}

/// Reads a text that [`super::normal`] has prepared.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    if let Some(at) = epoch(text) {
        return (1900..=2199).contains(&at.year_month().0).then_some(at);
    }
    let tokens = pieces(text);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        parts: Vec::new(),
        time: None,
        afternoon: None,
        offset: None,
        week: None,
        sign: ' ',
    };
    reader.read()?;
    reader.civil()?.timestamp()
}

/// Seconds since 1970, or thousandths or millionths of them.
fn epoch(text: &str) -> Option<Timestamp> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if part.is_empty()
        || ![whole, part]
            .iter()
            .all(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    match whole.len() {
        9 | 10 => Some(Timestamp::from_micros(
            number * 1_000_000 + i64::from(fraction(part.as_bytes())),
        )),
        13 => Some(Timestamp::from_millis(number)),
        16 => Some(Timestamp::from_micros(number)),
        _ => None,
    }
}

/// What has been understood so far.
struct Reader<'t> {
    tokens: &'t [Token<'t>],
    at: usize,
    parts: Vec<Part>,
    time: Option<Time>,
    afternoon: Option<bool>,
    offset: Option<i32>,
    /// The week of an ISO week date.
    week: Option<u32>,
    /// The sign before the next number of the date.
    sign: char,
}

impl<'t> Reader<'t> {
    fn piece(&self, ahead: usize) -> Option<Piece<'t>> {
        self.tokens.get(self.at + ahead).map(|token| token.piece)
    }

    /// The piece `ahead`, if no white space parts it from the one before.
    fn glued(&self, ahead: usize) -> Option<Piece<'t>> {
        self.tokens
            .get(self.at + ahead)
            .filter(|token| !token.spaced)
            .map(|token| token.piece)
    }

    fn read(&mut self) -> Option<()> {
        while let Some(piece) = self.piece(0) {
            match piece {
                Piece::Number(digits) => self.number(digits)?,
                Piece::Word(word) => self.word(word)?,
                Piece::Sign(sign) => self.sign(sign)?,
            }
        }
        Some(())
    }

    fn number(&mut self, digits: &'t str) -> Option<()> {
        if digits.len() <= 2 && self.clock(digits)? {
            return Some(());
        }
        self.at += 1;
        if digits.len() == 4 && self.time.is_none() && self.is_complete() {
            self.time = Some(compact_time(digits)?);
            return Some(());
        }
        let value = digits.parse().ok();
        match digits.len() {
            14 | 12 => {
                self.push(digits[..8].parse().ok()?, 8);
                self.time = Some(compact_time(&digits[8..])?);
            }
            1..=8 => self.push(value?, digits.len()),
            _ => return None,
        }
        Some(())
    }

    fn push(&mut self, value: u32, digits: usize) {
        self.parts.push(Part::Number(value, digits, self.sign));
        self.sign = ' ';
    }

    /// Reads a time of day that begins with the number here, if one does.
    fn clock(&mut self, hour: &str) -> Option<bool> {
        let hour = hour.parse().ok()?;
        let mut time = Time {
            hour,
            ..Time::default()
        };
        match (self.glued(1), self.glued(2), self.glued(3)) {
            (Some(Piece::Sign(':')), Some(Piece::Number(minute)), _) if minute.len() <= 2 => {
                time.minute = minute.parse().ok()?;
                self.at += 3;
                self.seconds(&mut time)?;
            }
            (Some(Piece::Sign(':')), _, _) => self.at += 2,
            // Finnish and Indonesian programs write 10.14.55.
            (Some(Piece::Sign('.')), Some(Piece::Number(minute)), Some(Piece::Sign('.')))
                if minute.len() == 2 && self.is_complete() =>
            {
                let Some(Piece::Number(second)) = self.glued(4) else {
                    return Some(false);
                };
                time.minute = minute.parse().ok()?;
                time.second = second.parse().ok().filter(|_| second.len() == 2)?;
                self.at += 5;
            }
            (Some(Piece::Sign('.')), Some(Piece::Number(minute)), _)
                if minute.len() == 2
                    && matches!(self.piece(3), Some(Piece::Word("uhr" | "am" | "pm"))) =>
            {
                time.minute = minute.parse().ok()?;
                self.at += 3;
            }
            (Some(Piece::Word("h")), Some(Piece::Number(minute)), _) if minute.len() == 2 => {
                time.minute = minute.parse().ok()?;
                self.at += 3;
            }
            (Some(Piece::Word("h")), _, _) => self.at += 2,
            _ if matches!(self.piece(1), Some(Piece::Word("am" | "pm" | "uhr")))
                && !matches!(self.piece(2), Some(Piece::Number(_))) =>
            {
                self.at += 1;
            }
            _ => return Some(false),
        }
        self.time = Some(time);
        Some(true)
    }

    /// Reads the seconds of a time, and what some programs write behind them.
    fn seconds(&mut self, time: &mut Time) -> Option<()> {
        if self.glued(0) != Some(Piece::Sign(':')) {
            return Some(());
        }
        let Some(Piece::Number(second)) = self.glued(1) else {
            self.at += 1;
            return Some(());
        };
        time.second = second.parse().ok().filter(|_| second.len() <= 2)?;
        self.at += 2;
        if let (Some(Piece::Sign('.' | ',')), Some(Piece::Number(digits))) =
            (self.glued(0), self.glued(1))
        {
            time.micros = fraction(digits.as_bytes());
            self.at += 2;
        }
        // 15:04:05:00 and 15:04:05:-0700 have been seen.
        if self.glued(0) == Some(Piece::Sign(':')) {
            self.at += if matches!(self.glued(1), Some(Piece::Number(_))) {
                2
            } else {
                1
            };
        }
        Some(())
    }

    fn word(&mut self, word: &'t str) -> Option<()> {
        let glued_to_number = self.at > 0
            && self.glued(0).is_some()
            && matches!(self.tokens[self.at - 1].piece, Piece::Number(_));
        let next_is_number = matches!(self.piece(1), Some(Piece::Number(_)));
        self.at += 1;
        self.sign = ' ';
        match word {
            "am" if self.time.is_some() || next_is_number => self.afternoon = Some(false),
            "pm" => self.afternoon = Some(true),
            "t" if next_is_number => return self.after_t(),
            "w" if next_is_number && !self.parts.is_empty() => return self.week(),
            "st" | "nd" | "rd" | "th" | "er" | "o" | "a" | "eme" | "ten" if glued_to_number => {}
            "a" | "o" if next_is_number => {}
            "etc" => self.skip_sign('/'),
            _ if next_is_number && names::is_filler(word) => {}
            _ if self.named_zone(word) => {}
            _ if names::is_filler(word) => {}
            _ if names::is_weekday(word) && !self.is_complete() => self.skip_sign('.'),
            _ => self.month_or_unknown(word)?,
        }
        Some(())
    }

    fn month_or_unknown(&mut self, word: &str) -> Option<()> {
        let month = names::month(word);
        if let Some(month) = month.filter(|_| !self.is_complete()) {
            // An earlier one was a weekday that looks like a month, as in "mar. 3 mars".
            self.parts.retain(|part| !matches!(part, Part::Month(_)));
            self.parts.push(Part::Month(month));
            self.sign = ' ';
            self.skip_sign('.');
            return Some(());
        }
        // The name of a weekday in a language nobody thought of, or of a zone.
        let introduces =
            self.at == 1 && matches!(self.piece(0), Some(Piece::Sign(',' | '.' | ':')));
        if !introduces && self.time.is_none() && !self.is_complete() {
            return None;
        }
        while let (Some(Piece::Sign('/' | '_')), Some(Piece::Word(_))) =
            (self.glued(0), self.glued(1))
        {
            self.at += 2;
        }
        Some(())
    }

    /// After a `T`: a time without colons, or only the hour.
    fn after_t(&mut self) -> Option<()> {
        let Some(Piece::Number(digits)) = self.piece(0) else {
            return None;
        };
        if self.glued(1) == Some(Piece::Sign(':')) {
            return Some(());
        }
        self.at += 1;
        let mut time = compact_time(digits)?;
        if let (6, Some(Piece::Sign('.' | ',')), Some(Piece::Number(digits))) =
            (digits.len(), self.glued(0), self.glued(1))
        {
            time.micros = fraction(digits.as_bytes());
            self.at += 2;
        }
        self.time = Some(time);
        Some(())
    }

    /// After a `W`: the week, and perhaps the day of the week, with or without a dash.
    fn week(&mut self) -> Option<()> {
        let Some(Piece::Number(digits)) = self.piece(0) else {
            return None;
        };
        self.at += 1;
        self.week = digits.get(..2)?.parse().ok();
        match digits.len() {
            2 => {}
            3 => self.push(digits[2..].parse().ok()?, 1),
            _ => return None,
        }
        Some(())
    }

    fn named_zone(&mut self, word: &str) -> bool {
        if self.time.is_none() && !self.is_complete() {
            return false;
        }
        let Some(offset) = zone::named(word) else {
            return false;
        };
        // In "GMT+0200" the digits count, wherever they stand.
        self.offset = self
            .offset
            .or(Some(offset))
            .filter(|_| !self.sign_follows());
        true
    }

    fn sign_follows(&self) -> bool {
        matches!(self.piece(0), Some(Piece::Sign('+' | '-')))
            && matches!(self.glued(1), Some(Piece::Number(_)))
    }

    fn skip_sign(&mut self, sign: char) {
        if self.glued(0) == Some(Piece::Sign(sign)) {
            self.at += 1;
        }
    }

    fn sign(&mut self, sign: char) -> Option<()> {
        let spaced = self.tokens[self.at].spaced;
        if matches!(sign, '+' | '-') && self.numeric_zone(sign, spaced) {
            return Some(());
        }
        self.at += 1;
        match sign {
            '-' | '/' | '.' => self.sign = sign,
            ',' | ';' | '\'' | '’' | '_' | ':' | '+' | '"' | '|' | '·' | '•' | '[' | ']' => {}
            _ => return None,
        }
        Some(())
    }

    /// Reads an offset that begins with the sign here, if one does.
    fn numeric_zone(&mut self, sign: char, spaced: bool) -> bool {
        let doubled = usize::from(self.glued(1) == Some(Piece::Sign(sign)));
        let (Some(Piece::Number(hours)), colon) =
            (self.glued(1 + doubled), self.glued(2 + doubled))
        else {
            return false;
        };
        let follows_time =
            self.time.is_some() && (!spaced || self.is_complete() || hours.len() == 4);
        if !(follows_time || sign == '+' || (spaced && hours.len() == 4 && self.is_complete()))
            || hours.len() > 4
        {
            return false;
        }
        let mut text = format!("{sign}{hours}");
        let mut length = 2 + doubled;
        if let (Some(Piece::Sign(':')), Some(Piece::Number(minutes))) =
            (colon, self.glued(3 + doubled))
        {
            text.push(':');
            text.push_str(minutes);
            length += 2;
        }
        self.at += length;
        // "+01:00:00".
        if let (Some(Piece::Sign(':')), Some(Piece::Number(_))) = (self.glued(0), self.glued(1)) {
            self.at += 2;
        }
        // An offset that no place on earth has says nothing.
        self.offset = zone::numeric(&text).or(Some(0));
        true
    }

    /// Whether year, month and day have been seen.
    fn is_complete(&self) -> bool {
        match self.parts.as_slice() {
            [Part::Number(_, 7 | 8, _)] => true,
            parts => parts.len() >= 3,
        }
    }

    fn civil(mut self) -> Option<Civil> {
        let mut numbers = Vec::with_capacity(4);
        let mut month = None;
        for part in &self.parts {
            match *part {
                Part::Month(found) => month = Some(found),
                Part::Number(value, digits, sign) => numbers.push((value, digits, sign)),
            }
        }
        let most = if month.is_some() { 2 } else { 3 };
        if numbers.len() > most {
            self.beyond_the_date(&numbers.split_off(most))?;
        }
        let (year, month, day) = match (month, self.week) {
            (Some(month), _) => with_month(&numbers, month)?,
            (None, Some(week)) => with_week(&numbers, week)?,
            (None, None) => numeric(&numbers)?,
        };
        let mut time = self.time.unwrap_or_default();
        match self.afternoon {
            Some(true) if time.hour < 12 => time.hour += 12,
            Some(false) if time.hour == 12 => time.hour = 0,
            _ => {}
        }
        Some(Civil {
            year,
            month,
            day,
            time,
            offset: self.offset.unwrap_or(0),
        })
    }

    /// Numbers after the date: the hour, or zeros that somebody took for a zone.
    fn beyond_the_date(&mut self, numbers: &[Numeral]) -> Option<()> {
        match numbers {
            [(0, _, _)] => Some(()),
            [(hour, 1 | 2, _)] if self.time.is_none() => {
                self.time = Some(Time {
                    hour: *hour,
                    ..Time::default()
                });
                Some(())
            }
            _ => None,
        }
    }
}

/// `hh`, `hhmm` or `hhmmss`.
fn compact_time(digits: &str) -> Option<Time> {
    let two = |from: usize| {
        digits
            .get(from..from + 2)
            .map_or(Some(0), |digits| digits.parse().ok())
    };
    match digits.len() {
        1 => Some(Time {
            hour: digits.parse().ok()?,
            ..Time::default()
        }),
        2 | 4 | 6 => Some(Time {
            hour: two(0)?,
            minute: two(2)?,
            second: two(4)?,
            micros: 0,
        }),
        _ => None,
    }
}
