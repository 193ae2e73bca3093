//! The corp: its members, departments and tags, who is where, and whom the app may see (wecom-api.md section 9).

use std::collections::BTreeSet;

use serde::Deserialize;

use super::options::Options;

/// The root department of every corp.
pub(super) const ROOT: i64 = 1;
/// Active, disabled, not activated, left (p90196).
pub(super) const STATUSES: [i64; 4] = [1, 2, 4, 5];

/// A member of the corp.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The userid, 1 to 64 bytes (p90195). The sandbox keeps and answers it in lower case (p90236).
    pub userid: String,
    /// The name shown on the phone.
    pub name: String,
    /// The ids of the departments the member is in; none: those of [`Options::party_members`], else the root.
    #[serde(default)]
    pub departments: Vec<i64>,
    /// 1 active, 2 disabled, 4 not activated, 5 left (p90196). Who is disabled or has left gets no messages.
    #[serde(default = "active")]
    pub status: i64,
    /// The corporate mailbox (`biz_mail`): never told, for an app made after 2022-06-20, but found by.
    #[serde(default)]
    pub email: Option<String>,
    /// The personal address (`email`): as the other one.
    #[serde(default)]
    pub personal_email: Option<String>,
}

fn active() -> i64 {
    1
}

impl Member {
    /// An active member.
    pub fn new(userid: impl Into<String>, name: impl Into<String>) -> Self {
        let (userid, name) = (userid.into(), name.into());
        Self { userid, name, departments: Vec::new(), status: 1, email: None, personal_email: None }
    }
}

/// Who belongs to a party or a tag.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The party's or tag's id.
    pub id: i64,
    /// The userids inside.
    pub members: Vec<String>,
}

/// A department (部门).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Department {
    /// Its id; 1 is the root.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The id of the one it is part of; 0 for the root.
    #[serde(default = "active")]
    pub parent: i64,
}

/// What a tag (标签) is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagName {
    /// The tag's id.
    pub id: i64,
    /// Its name.
    pub name: String,
}

impl Options {
    /// The departments that exist: those that were given, else the root and one for each party.
    pub(super) fn all_departments(&self) -> Vec<Department> {
        if !self.departments.is_empty() {
            return self.departments.clone();
        }
        let root = Department { id: ROOT, name: "企业".to_owned(), parent: 0 };
        let others = self.parties.iter().filter(|id| **id != ROOT);
        let others = others.map(|id| Department { id: *id, name: format!("部门{id}"), parent: ROOT });
        std::iter::once(root).chain(others).collect()
    }

    /// A department's id and those of all below it; none when it does not exist.
    pub(super) fn below(&self, id: i64) -> BTreeSet<i64> {
        let all = self.all_departments();
        let mut found: BTreeSet<i64> =
            all.iter().map(|department| department.id).filter(|known| *known == id).collect();
        loop {
            let before = found.len();
            found.extend(all.iter().filter(|d| found.contains(&d.parent)).map(|d| d.id).collect::<Vec<_>>());
            if found.len() == before {
                return found;
            }
        }
    }

    /// The departments a member is in, without those above them.
    pub(super) fn departments_of(&self, member: &Member) -> Vec<i64> {
        if !member.departments.is_empty() {
            return member.departments.clone();
        }
        let named = |group: &&Group| group.members.iter().any(|userid| userid.eq_ignore_ascii_case(&member.userid));
        let groups: Vec<i64> = self.party_members.iter().filter(named).map(|group| group.id).collect();
        if groups.is_empty() { vec![ROOT] } else { groups }
    }

    /// The departments that the app may see: its parties and all below them.
    pub(super) fn visible_departments(&self) -> BTreeSet<i64> {
        self.parties.iter().flat_map(|id| self.below(*id)).collect()
    }

    /// Whether a tag's members were given, and this one is among them.
    pub(super) fn carries(&self, tag: i64, userid: &str) -> bool {
        let group = self.tag_members.iter().find(|group| group.id == tag);
        group.is_some_and(|group| group.members.iter().any(|member| member.eq_ignore_ascii_case(userid)))
    }

    /// Whether a member is in the app's visible range: by themselves, by a party or by a tag.
    pub(super) fn in_range(&self, member: &Member) -> bool {
        let Some(direct) = &self.visible_members else { return true };
        let visible = self.visible_departments();
        direct.iter().any(|userid| userid.eq_ignore_ascii_case(&member.userid))
            || self.departments_of(member).iter().any(|id| visible.contains(id))
            || self.tags.iter().any(|tag| self.carries(*tag, &member.userid))
    }

    /// What a tag is called.
    pub(super) fn tag_name(&self, id: i64) -> String {
        let named = self.tag_names.iter().find(|tag| tag.id == id);
        named.map_or_else(|| format!("标签{id}"), |tag| tag.name.clone())
    }

    /// What cannot be of departments, tags and the visible range, in words.
    pub(super) fn check_corp(&self) -> Result<(), String> {
        let ids: Vec<i64> = self.departments.iter().map(|department| department.id).collect();
        if let Some(twice) = ids.iter().enumerate().find(|(at, id)| ids.iter().take(*at).any(|other| other == *id)) {
            return Err(format!("department {} is there twice", twice.1));
        }
        if !ids.is_empty() {
            if self.below(ROOT).len() != ids.len() {
                return Err(
                    "departments must hold the root, 1, and each other one a parent that leads to it".to_owned()
                );
            }
            if let Some(id) = self.parties.iter().find(|id| !ids.contains(id)) {
                return Err(format!("party {id} is not among the departments; add it there"));
            }
        }
        let known: Vec<i64> = self.all_departments().iter().map(|department| department.id).collect();
        for member in &self.members {
            if let Some(id) = member.departments.iter().find(|id| !known.contains(id)) {
                return Err(format!("{:?} is in department {id}, which does not exist", member.userid));
            }
            if !STATUSES.contains(&member.status) {
                return Err(format!("{:?}: status must be 1, 2, 4 or 5, not {}", member.userid, member.status));
            }
        }
        if let Some(tag) = self.tag_names.iter().find(|tag| !self.tags.contains(&tag.id)) {
            return Err(format!("tag {} has a name but is not in tags; add it there", tag.id));
        }
        let members: BTreeSet<String> = self.members.iter().map(|member| member.userid.to_ascii_lowercase()).collect();
        match self.visible_members.iter().flatten().find(|userid| !members.contains(&userid.to_ascii_lowercase())) {
            Some(userid) => Err(format!("{userid:?} is in visible_members but not among the members")),
            None => Ok(()),
        }
    }
}
