//! Where commands ask of outbox and ledger: the running service, or without one the store itself.

use super::{FAILED, fail, operator, status};
use crate::app::{self, Opened};
use crate::config::Config;
use crate::control::{self, AlertList, AskError, Records, Request};
use crate::model::Lang;
use crate::state::StateError;
use serde::de::DeserializeOwned;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;

/// See the module's text.
pub(super) enum Source {
    /// The service whose store is there.
    Service(PathBuf),
    /// The store, held by this process meanwhile.
    Own(Box<Records>),
}

impl Source {
    /// Finds out whom to ask; where there is nobody, that is said, with the exit status.
    pub(super) async fn find(config: &Config, lang: Lang) -> Result<Self, ExitCode> {
        let path = &config.state.path;
        let asked = control::ask::<AlertList>(path, &Request::Alerts { state: None, most: 0 }).await;
        match asked {
            Ok(_) => Ok(Self::Service(path.clone())),
            Err(AskError::Absent | AskError::Dead) => Self::open(config, lang).await,
            Err(error) => Err(status::refused(&error, config, None, lang)),
        }
    }

    /// The same for the registry, which can be filled before the service ever ran.
    pub(super) async fn find_or_make(config: &Config, lang: Lang) -> Result<Self, ExitCode> {
        if config.state.path.join("db").exists() {
            return Self::find(config, lang).await;
        }
        match control::ask::<AlertList>(&config.state.path, &Request::Alerts { state: None, most: 0 }).await {
            Ok(_) => Ok(Self::Service(config.state.path.clone())),
            Err(AskError::Absent | AskError::Dead) => Self::hold(config, lang).await,
            Err(error) => Err(status::refused(&error, config, None, lang)),
        }
    }

    /// The same without a word: nobody where nobody can be asked, or there is no store yet.
    pub(super) async fn quietly(config: &Config, open: bool) -> Option<Self> {
        let path = &config.state.path;
        match control::ask::<AlertList>(path, &Request::Alerts { state: None, most: 0 }).await {
            Ok(_) => Some(Self::Service(path.clone())),
            Err(AskError::Absent | AskError::Dead) if open => {
                let store = std::fs::metadata(path.join("db")).ok()?;
                if rustix::process::geteuid().is_root() && store.uid() != 0 {
                    return None;
                }
                let Opened { state, ledger, registry, clock, .. } = app::open_store(path).await.ok()?;
                let worlds = app::own_worlds(config, &clock, &state).ok()?;
                let (office, _) = app::open_office(config, registry, &clock, worlds).await.ok()?;
                Some(Self::Own(Box::new(Records::new(state, ledger, clock).with_office(std::sync::Arc::new(office)))))
            }
            Err(_) => None,
        }
    }

    /// Opens the store, if that harms nobody.
    async fn open(config: &Config, lang: Lang) -> Result<Self, ExitCode> {
        let path = &config.state.path;
        let shown = path.display().to_string();
        let Ok(store) = std::fs::metadata(path.join("db")) else {
            let said = lang.pick(
                "{} 中没有数据：mailbell run 还没有以此配置运行过，或需用 --config 指定服务所用的配置文件",
                "there is no store in {}: mailbell run has not run with this config yet, or name the service's config with --config",
            );
            return Err(fail(FAILED, &said.replace("{}", &shown)));
        };
        // What root writes there, the service's own user cannot read afterwards.
        if rustix::process::geteuid().is_root() && store.uid() != 0 {
            let said = match lang {
                Lang::ZhCn => format!(
                    "{shown} 属于另一个用户（uid {0}）：请用该用户执行，例如 sudo -u '#{0}' mailbell ...",
                    store.uid()
                ),
                Lang::En => format!(
                    "{shown} belongs to another user (uid {0}): run the command as that user, for example sudo -u '#{0}' mailbell ...",
                    store.uid()
                ),
            };
            return Err(fail(FAILED, &said));
        }
        Self::hold(config, lang).await
    }

    /// Opens the store, with the registry.
    async fn hold(config: &Config, lang: Lang) -> Result<Self, ExitCode> {
        let path = &config.state.path;
        match app::open_store(path).await {
            Ok(Opened { state, ledger, registry, clock, .. }) => {
                let worlds = app::own_worlds(config, &clock, &state);
                let worlds = worlds.map_err(|error| fail(FAILED, &error.text(lang)))?;
                // Nobody is there to take errands.
                let office = app::open_office(config, registry, &clock, worlds).await.map(|(office, _)| office);
                let office = office.map_err(|error| fail(FAILED, error.words().text(lang)))?;
                let records = Records::new(state, ledger, clock).with_office(std::sync::Arc::new(office));
                Ok(Self::Own(Box::new(records)))
            }
            Err(StateError::InUse(_)) => {
                let said = lang.pick(
                    "{} 正由另一个 mailbell 使用，但其控制套接字无人应答：它正在启动或停止，或没有套接字（见其日志）；稍后再试",
                    "another mailbell holds {} but nobody answers at its control socket: it is just starting or stopping, or has no socket (its log says so); try again",
                );
                Err(fail(FAILED, &said.replace("{}", &path.display().to_string())))
            }
            Err(error) => Err(fail(FAILED, &error.text(lang))),
        }
    }

    /// Whether a service answers.
    pub(super) fn is_running(&self) -> bool {
        matches!(self, Self::Service(_))
    }

    /// Asks.
    pub(super) async fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T, AskError> {
        match self {
            Self::Service(path) => control::ask(path, &request).await,
            Self::Own(records) => control::ask_records(records, request, &operator::by()).await,
        }
    }
}
