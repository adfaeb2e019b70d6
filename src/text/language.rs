//! In which language a text is: what its publisher said if the script agrees, else what the script says, else a guess.
//!
//! Scripts settle Chinese, Japanese, Korean and some more; among the languages in Latin letters `whichlang` guesses, from
//! the headline and the beginning of the text, with the language that the feed mostly has as a prior.

use super::simplify;

/// Characters of the text that are looked at, beside the headline.
pub const BEGINNING: usize = 300;
/// Latin letters that a guess needs: fewer are a name or a number with a word.
const FEWEST: usize = 20;

/// How many letters of each script a text has.
#[derive(Debug, Default)]
struct Scripts {
    latin: usize,
    han: usize,
    kana: usize,
    hangul: usize,
    cyrillic: usize,
    arabic: usize,
    devanagari: usize,
    thai: usize,
    greek: usize,
    hebrew: usize,
    other: usize,
}

impl Scripts {
    fn of(text: &str) -> Self {
        let mut scripts = Self::default();
        for c in text.chars().filter(|c| c.is_alphabetic()) {
            let count = match c {
                'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => {
                    &mut scripts.latin
                }
                '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{323af}' => {
                    &mut scripts.han
                }
                '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => {
                    &mut scripts.kana
                }
                '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => {
                    &mut scripts.hangul
                }
                '\u{400}'..='\u{52f}' => &mut scripts.cyrillic,
                '\u{600}'..='\u{77f}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' => {
                    &mut scripts.arabic
                }
                '\u{900}'..='\u{97f}' => &mut scripts.devanagari,
                '\u{e00}'..='\u{e7f}' => &mut scripts.thai,
                '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => &mut scripts.greek,
                '\u{590}'..='\u{5ff}' => &mut scripts.hebrew,
                _ => &mut scripts.other,
            };
            *count += 1;
        }
        scripts
    }

    fn letters(&self) -> usize {
        self.latin
            + self.han
            + self.kana
            + self.hangul
            + self.cyrillic
            + self.arabic
            + self.devanagari
            + self.thai
            + self.greek
            + self.hebrew
            + self.other
    }

    /// Letters that texts in this language are written with; `None` if we do not know its script.
    fn written_in(&self, primary: &str) -> Option<usize> {
        Some(match primary {
            "zh" | "yue" | "wuu" => self.han,
            "ja" => self.han + self.kana,
            "ko" => self.hangul + self.han,
            "ru" | "uk" | "be" | "bg" | "mk" | "kk" | "ky" | "mn" | "tg" | "ba" | "tt" => {
                self.cyrillic
            }
            "sr" | "uz" => self.cyrillic + self.latin,
            "ar" | "fa" | "ur" | "ps" | "ug" | "ckb" => self.arabic,
            "hi" | "mr" | "ne" => self.devanagari,
            "th" => self.thai,
            "el" => self.greek,
            "he" | "iw" | "yi" => self.hebrew,
            "en" | "fr" | "de" | "es" | "it" | "pt" | "nl" | "pl" | "cs" | "sk" | "sl" | "hr"
            | "bs" | "hu" | "ro" | "da" | "sv" | "no" | "nb" | "nn" | "fi" | "et" | "lv" | "lt"
            | "tr" | "vi" | "id" | "ms" | "ca" | "eu" | "gl" | "is" | "ga" | "cy" | "sq" | "af"
            | "sw" | "tl" | "fil" | "eo" | "la" | "lb" | "mt" | "az" => self.latin,
            _ => return None,
        })
    }

    /// True if a text in this language can look like that. Latin letters stand in texts of every language, so they only
    /// speak for one that is written with them if there is little else.
    fn allow(&self, language: &str) -> bool {
        let primary = primary(language);
        let letters = self.letters();
        let Some(own) = self.written_in(&primary) else {
            return self.han + self.kana + self.hangul == 0;
        };
        let foreign = letters - own;
        match primary.as_str() {
            "zh" | "yue" | "wuu" if self.kana * 20 > letters => false,
            "ja" if self.han >= 20 && self.kana == 0 => false,
            "ja" | "zh" | "yue" | "wuu" | "ko" => letters == 0 || own * 10 >= letters,
            _ => letters == 0 || own >= foreign,
        }
    }
}

/// The first subtag of a language, in lower case: what languages are compared by.
#[must_use]
pub fn primary(language: &str) -> String {
    let end = language.find(['-', '_']).unwrap_or(language.len());
    language[..end].to_ascii_lowercase()
}

/// The language (BCP 47) of a text, or `None` if nothing speaks for one.
///
/// `said` is what the publisher said of it, `prior` the language that most of the feed is in.
#[must_use]
pub fn language(
    said: Option<&str>,
    prior: Option<&str>,
    headline: &str,
    text: &str,
) -> Option<String> {
    let mut sample = String::with_capacity(headline.len() + BEGINNING * 3);
    sample.push_str(headline);
    sample.push('\n');
    sample.extend(text.chars().take(BEGINNING));
    let scripts = Scripts::of(&sample);
    if let Some(said) = said.filter(|said| !said.is_empty() && scripts.allow(said)) {
        return Some(said.to_owned());
    }
    by_script(&scripts, prior, &sample)
        .or_else(|| by_words(&scripts, prior, headline, &sample))
        .or_else(|| {
            prior
                .filter(|prior| scripts.allow(prior))
                .map(str::to_owned)
        })
}

fn by_script(scripts: &Scripts, prior: Option<&str>, sample: &str) -> Option<String> {
    let letters = scripts.letters();
    let eastern = scripts.han + scripts.kana + scripts.hangul;
    let any = |set: &str| sample.chars().any(|c| set.contains(c));
    let of_prior = |most_likely: &str| {
        let same = prior.filter(|prior| scripts.allow(prior));
        Some(same.unwrap_or(most_likely).to_owned())
    };
    if eastern * 4 >= letters.max(1) {
        let fixed = if scripts.hangul * 3 > eastern {
            "ko"
        } else if scripts.kana * 20 > eastern {
            "ja"
        } else if scripts.han < 20 && prior.is_some_and(|prior| primary(prior) == "ja") {
            // A headline of a newspaper may well be without kana.
            "ja"
        } else {
            return Some(chinese(sample, scripts.han).to_owned());
        };
        return Some(fixed.to_owned());
    }
    let main = |own: usize| own * 2 > letters;
    if main(scripts.cyrillic) {
        return if any("іїєґІЇЄҐ") && !any("ыэёЫЭЁ") {
            Some("uk".to_owned())
        } else if any("ўЎ") {
            Some("be".to_owned())
        } else if any("ђћјљњџЂЋЈЉЊЏ") {
            of_prior("sr")
        } else if any("ыэёЫЭЁ") {
            Some("ru".to_owned())
        } else {
            of_prior("ru")
        };
    }
    if main(scripts.arabic) {
        return if any("ٹڈڑےں") {
            Some("ur".to_owned())
        } else if any("پچژگ") {
            of_prior("fa")
        } else {
            of_prior("ar")
        };
    }
    let alone = [
        (scripts.devanagari, "hi"),
        (scripts.thai, "th"),
        (scripts.greek, "el"),
        (scripts.hebrew, "he"),
    ];
    let (_, language) = alone.into_iter().find(|(own, _)| main(*own))?;
    of_prior(language)
}

/// Traditional if simplification changes many of the characters.
fn chinese(sample: &str, han: usize) -> &'static str {
    let simple = simplify(sample);
    let changed = sample
        .chars()
        .zip(simple.chars())
        .filter(|(before, after)| before != after)
        .count();
    if changed > 0 && changed * 12 >= han {
        "zh-Hant"
    } else {
        "zh-Hans"
    }
}

/// A guess among the languages in Latin letters.
fn by_words(
    scripts: &Scripts,
    prior: Option<&str>,
    headline: &str,
    sample: &str,
) -> Option<String> {
    if scripts.latin < FEWEST || scripts.latin * 2 < scripts.letters() {
        return None;
    }
    let guess = |text: &str| two_letters(whichlang::detect_language(text));
    let whole = guess(sample);
    let prior = prior.filter(|prior| scripts.allow(prior));
    let Some(prior) = prior else {
        return whole.map(str::to_owned);
    };
    let expected = primary(prior);
    // What it was not made for it takes for something near; a feed in such a language is believed.
    let is_foreign = !GUESSED.contains(&expected.as_str());
    if is_foreign || whole == Some(expected.as_str()) || guess(headline) == Some(expected.as_str())
    {
        return Some(prior.to_owned());
    }
    whole.or(Some(prior)).map(str::to_owned)
}

/// Languages in Latin letters that `whichlang` tells apart.
const GUESSED: &[&str] = &["de", "en", "es", "fr", "it", "nl", "pt", "sv", "tr", "vi"];

fn two_letters(language: whichlang::Lang) -> Option<&'static str> {
    use whichlang::Lang;
    Some(match language {
        Lang::Deu => "de",
        Lang::Eng => "en",
        Lang::Fra => "fr",
        Lang::Ita => "it",
        Lang::Nld => "nl",
        Lang::Por => "pt",
        Lang::Spa => "es",
        Lang::Swe => "sv",
        Lang::Tur => "tr",
        Lang::Vie => "vi",
        // Their scripts have been looked at already.
        Lang::Ara | Lang::Cmn | Lang::Hin | Lang::Jpn | Lang::Kor | Lang::Rus => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headlines_of_many_languages() {
        let cases = [
            ("国务院印发关于促进民营经济发展的意见", "zh-Hans"),
            ("北京将在五环外新建三座污水处理厂", "zh-Hans"),
            ("AI芯片出口管制再升级，英伟达股价下跌", "zh-Hans"),
            ("臺北市長宣布明年起調整捷運票價", "zh-Hant"),
            ("颱風逼近花蓮，多所學校宣布停課", "zh-Hant"),
            ("香港立法會三讀通過修訂條例", "zh-Hant"),
            ("首相、来週にも内閣改造を検討", "ja"),
            ("トヨタ、新型ハイブリッド車を発売", "ja"),
            ("정부, 내년 예산안 국무회의 의결", "ko"),
            ("삼성전자 3분기 영업이익 크게 늘어", "ko"),
            (
                "Government announces new plan to cut hospital waiting lists",
                "en",
            ),
            ("The council will vote on the housing bill this week", "en"),
            (
                "Le gouvernement présente son projet de loi de finances",
                "fr",
            ),
            (
                "Les agriculteurs manifestent devant la préfecture de Rennes",
                "fr",
            ),
            ("Bundesregierung beschließt neues Gesetz zur Rente", "de"),
            (
                "Nach dem Unwetter im Süden sind viele Straßen gesperrt",
                "de",
            ),
            (
                "El presidente anuncia nuevas medidas contra la sequía",
                "es",
            ),
            (
                "Il governo ha approvato la riforma della scuola pubblica",
                "it",
            ),
            (
                "O governo anunciou novas medidas para a saúde pública",
                "pt",
            ),
            ("Правительство утвердило новую программу развития", "ru"),
            ("Уряд ухвалив нову програму підтримки бізнесу", "uk"),
            ("الحكومة تعلن خطة جديدة لدعم الاقتصاد", "ar"),
            ("รัฐบาลประกาศมาตรการกระตุ้นเศรษฐกิจ", "th"),
            ("Η κυβέρνηση ανακοίνωσε νέα μέτρα", "el"),
        ];
        for (headline, expected) in cases {
            let found = language(None, None, headline, "");
            assert_eq!(found.as_deref(), Some(expected), "{headline}");
        }
    }

    #[test]
    fn what_the_publisher_said_counts_if_the_script_agrees() {
        for (said, headline, expected) in [
            ("zh-CN", "国务院印发意见", Some("zh-CN")),
            ("en", "国务院印发关于促进经济发展的意见", Some("zh-Hans")),
            ("en-US", "首相、来週にも内閣改造を検討", Some("ja")),
            ("zh", "トヨタ、新しいハイブリッド車を発売する", Some("ja")),
            (
                "zh-TW",
                "Apple 發表 iPhone 與新的 MacBook Pro",
                Some("zh-TW"),
            ),
            ("fr", "Rust 1.90", Some("fr")),
            ("pl", "Rząd przyjął projekt ustawy budżetowej", Some("pl")),
            ("", "1.90", None),
        ] {
            let found = language(Some(said), None, headline, "");
            assert_eq!(found.as_deref(), expected, "{said}: {headline}");
        }
    }

    #[test]
    fn the_feed_helps_where_the_headline_does_not_say() {
        for (prior, headline, expected) in [
            ("ja", "政府予算案決定", "ja"),
            (
                "pl",
                "Premier zapowiada nowe przepisy o ruchu drogowym",
                "pl",
            ),
            ("bg", "Парламентът прие закона за бюджета", "bg"),
            ("de", "Kubernetes 1.40", "de"),
            ("de", "国务院印发关于促进经济发展的意见", "zh-Hans"),
        ] {
            let found = language(None, Some(prior), headline, "");
            assert_eq!(found.as_deref(), Some(expected), "{headline}");
        }
    }
}
