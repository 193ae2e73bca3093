//! How alerts look to whom: one look for all, and others for some recipients; both may change while the service runs.

use super::render::Style;
use crate::config::{Config, Person};
use crate::model::{Card, Lang, Recipient};
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// What one recipient wants otherwise; `None`: as all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Their language.
    pub lang: Option<Lang>,
    /// Where they are.
    pub time_zone: Option<TimeZone>,
    /// The form for one letter. Who wants `text` gets no other form, whatever a subscription or an urgency asks for:
    /// they may read in WeChat's plug-in, which shows no cards of rows and no markdown (wecom-api 3.5, 3.7).
    pub card: Option<Card>,
}

/// The looks that there are now.
#[derive(Debug)]
pub struct Looks(RwLock<Table>);

#[derive(Debug)]
struct Table {
    general: Style,
    own: HashMap<Recipient, Look>,
}

impl Looks {
    /// One look for all but these.
    pub fn new(general: Style, own: HashMap<Recipient, Look>) -> Self {
        Self(RwLock::new(Table { general, own }))
    }

    /// Those of a config.
    pub fn of_config(config: &Config) -> Self {
        Self::new(Style::general(config), own(config))
    }

    /// Those of a config that was read anew, for all that is composed from now on.
    pub fn follow(&self, config: &Config) {
        self.update(Style::general(config), own(config));
    }

    /// Takes the place of those before, for all that is composed from now on.
    pub fn update(&self, general: Style, own: HashMap<Recipient, Look>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Table { general, own };
    }

    /// How alerts look to this recipient.
    pub fn of(&self, recipient: &Recipient) -> Style {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.own.get(recipient).map_or_else(|| table.general.clone(), |look| look.of(&table.general))
    }

    /// These recipients by looks, each once, in their order; those are together whose looks have the same `key`.
    pub(super) fn groups<K: PartialEq>(
        &self,
        recipients: &[Recipient],
        key: impl Fn(&Style) -> K,
    ) -> Vec<(Style, Vec<Recipient>)> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let general = key(&table.general);
        let mut groups: Vec<(K, Style, Vec<Recipient>)> = vec![(general, table.general.clone(), Vec::new())];
        for recipient in recipients {
            let own = table.own.get(recipient).map(|look| look.of(&table.general)).map(|style| (key(&style), style));
            let found = match &own {
                None => groups.first_mut(),
                Some((key, _)) => groups.iter_mut().find(|(other, ..)| other == key),
            };
            match (found, own) {
                (Some((.., together)), _) => together.push(recipient.clone()),
                (None, Some((key, style))) => groups.push((key, style, vec![recipient.clone()])),
                (None, None) => {}
            }
        }
        groups.into_iter().filter(|(.., to)| !to.is_empty()).map(|(_, style, to)| (style, to)).collect()
    }
}

/// What `[user.NAME]` says.
fn own(config: &Config) -> HashMap<Recipient, Look> {
    let look = |person: &Person| Look { lang: person.lang, time_zone: person.time_zone.clone(), card: person.card };
    config.users.iter().map(|(recipient, person)| (recipient.clone(), look(person))).collect()
}

impl Look {
    fn of(&self, general: &Style) -> Style {
        Style {
            lang: self.lang.unwrap_or(general.lang),
            time_zone: self.time_zone.clone().unwrap_or_else(|| general.time_zone.clone()),
            card: self.card.unwrap_or(general.card),
            text_only: self.card == Some(Card::Text),
            ..general.clone()
        }
    }
}

impl Style {
    /// The look for all that a config asks for.
    pub fn general(config: &Config) -> Self {
        Self {
            lang: config.alerts.lang,
            time_zone: config.alerts.time_zone.clone(),
            card: config.wecom.card,
            text_only: false,
            own_domains: config.alerts.own_domains.clone(),
            first_time_after: config.alerts.first_time_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::render::tests::style;
    use super::*;

    fn user(name: &str) -> Recipient {
        Recipient::User(name.into())
    }

    #[test]
    fn what_one_does_not_say_is_as_for_all_and_changes_with_it() {
        let english = Look { lang: Some(Lang::En), ..Look::default() };
        let looks = Looks::new(style(Lang::ZhCn, Card::Textcard), HashMap::from([(user("a"), english.clone())]));
        let shown = |to: &Recipient| (looks.of(to).lang, looks.of(to).card, looks.of(to).text_only);
        assert_eq!(shown(&user("a")), (Lang::En, Card::Textcard, false));
        assert_eq!(shown(&Recipient::Party(1)), (Lang::ZhCn, Card::Textcard, false));
        let text = Look { card: Some(Card::Text), ..Look::default() };
        looks.update(style(Lang::ZhCn, Card::Markdown), HashMap::from([(user("a"), english), (user("b"), text)]));
        assert_eq!(shown(&user("a")), (Lang::En, Card::Markdown, false));
        assert_eq!(shown(&user("b")), (Lang::ZhCn, Card::Text, true));
    }

    #[test]
    fn those_of_one_look_stay_together_in_their_order() {
        let english = Look { lang: Some(Lang::En), ..Look::default() };
        let same = Look { lang: Some(Lang::ZhCn), ..Look::default() };
        let own = HashMap::from([(user("a"), english.clone()), (user("d"), english), (user("c"), same)]);
        let looks = Looks::new(style(Lang::ZhCn, Card::Textcard), own);
        let all = ["a", "b", "c", "d"].map(user);
        let to = |groups: Vec<(Style, Vec<Recipient>)>| groups.into_iter().map(|(_, to)| to).collect::<Vec<_>>();
        assert_eq!(to(looks.groups(&all, |style| style.lang)), [["b", "c"].map(user), ["a", "d"].map(user)]);
        assert_eq!(to(looks.groups(&["d"].map(user), |style| style.lang)), [["d"].map(user)]);
        assert_eq!(looks.groups(&[], |_| ()).len(), 0);
        assert_eq!(to(looks.groups(&all, |_| ())), [all]);
    }
}
