//! The calls of WeCom's that the sandbox knows: how each is named, where it is, and how it is made.

use axum::http::Method;
use serde::Deserialize;

/// A call of WeCom's that the sandbox knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Call {
    /// `GET /cgi-bin/gettoken`
    Gettoken,
    /// `POST /cgi-bin/message/send`
    Send,
    /// `GET /cgi-bin/agent/get`
    AgentGet,
    /// `GET /cgi-bin/user/get`
    UserGet,
    /// `POST /cgi-bin/user/list_id`
    UserListId,
    /// `GET /cgi-bin/user/simplelist`
    UserSimplelist,
    /// `POST /cgi-bin/user/get_userid_by_email`
    UserByEmail,
    /// `GET /cgi-bin/department/list`
    DepartmentList,
    /// `GET /cgi-bin/department/simplelist`
    DepartmentSimplelist,
    /// `GET /cgi-bin/tag/list`
    TagList,
    /// `GET /cgi-bin/tag/get`
    TagGet,
    /// `GET /cgi-bin/auth/getuserinfo`
    Getuserinfo,
}

impl Call {
    /// All of them.
    pub(super) const ALL: [Self; 12] = [
        Self::Gettoken,
        Self::Send,
        Self::AgentGet,
        Self::UserGet,
        Self::UserListId,
        Self::UserSimplelist,
        Self::UserByEmail,
        Self::DepartmentList,
        Self::DepartmentSimplelist,
        Self::TagList,
        Self::TagGet,
        Self::Getuserinfo,
    ];

    /// The name used in orders, counts and events.
    pub(super) fn name(self) -> &'static str {
        self.about().0
    }

    /// Its path below `/cgi-bin/`.
    pub(super) fn path(self) -> &'static str {
        self.about().1
    }

    /// How it is made.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Send | Self::UserListId | Self::UserByEmail => Method::POST,
            _ => Method::GET,
        }
    }

    fn about(self) -> (&'static str, &'static str) {
        match self {
            Self::Gettoken => ("gettoken", "gettoken"),
            Self::Send => ("send", "message/send"),
            Self::AgentGet => ("agent_get", "agent/get"),
            Self::UserGet => ("user_get", "user/get"),
            Self::UserListId => ("user_list_id", "user/list_id"),
            Self::UserSimplelist => ("user_simplelist", "user/simplelist"),
            Self::UserByEmail => ("user_by_email", "user/get_userid_by_email"),
            Self::DepartmentList => ("department_list", "department/list"),
            Self::DepartmentSimplelist => ("department_simplelist", "department/simplelist"),
            Self::TagList => ("tag_list", "tag/list"),
            Self::TagGet => ("tag_get", "tag/get"),
            Self::Getuserinfo => ("getuserinfo", "auth/getuserinfo"),
        }
    }
}
