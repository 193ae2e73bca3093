//! Where an account is at home.

use super::Lang;

/// Where the account's mail mostly comes from: what bytes without a label are taken for that could be either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locale {
    /// Simplified Chinese.
    #[default]
    Mainland,
    /// Traditional Chinese: Taiwan, Hong Kong, Macau.
    Traditional,
    /// Japanese.
    Japanese,
    /// Korean.
    Korean,
    /// None of these.
    Other,
}

impl Locale {
    /// What the language of alerts and the time zone tell of it.
    pub fn of(lang: Lang, time_zone: Option<&str>) -> Self {
        match time_zone.unwrap_or_default() {
            "Asia/Taipei" | "Asia/Hong_Kong" | "Asia/Macau" | "Hongkong" | "ROC" => Self::Traditional,
            "Asia/Tokyo" | "Japan" => Self::Japanese,
            "Asia/Seoul" | "Asia/Pyongyang" | "ROK" => Self::Korean,
            _ if lang == Lang::ZhCn => Self::Mainland,
            zone if zone.starts_with("Asia/Shanghai") || zone == "PRC" => Self::Mainland,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_zone_tells_more_than_the_language() {
        assert_eq!(Locale::of(Lang::ZhCn, Some("Asia/Shanghai")), Locale::Mainland);
        assert_eq!(Locale::of(Lang::En, Some("Asia/Shanghai")), Locale::Mainland);
        assert_eq!(Locale::of(Lang::ZhCn, Some("Asia/Taipei")), Locale::Traditional);
        assert_eq!(Locale::of(Lang::En, Some("Asia/Tokyo")), Locale::Japanese);
        assert_eq!(Locale::of(Lang::En, Some("Europe/Berlin")), Locale::Other);
        assert_eq!(Locale::of(Lang::ZhCn, None), Locale::Mainland);
    }
}
