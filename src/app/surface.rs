//! The web surface, wired: its listener, the administrator's console, and its task.

use super::StartError;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::Service;
use crate::office::Office;
use crate::state::{Ledger, Sessions, State};
use crate::supervise::Supervisor;
use crate::web;
use crate::wecom::Client;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(super) async fn listener(config: &Config) -> Result<Option<TcpListener>, StartError> {
    match &config.web {
        Some(web) => Ok(Some(listen(web.listen).await?)),
        None => Ok(None),
    }
}

async fn listen(address: std::net::SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen { address, reason: error.to_string() })
}

/// The running service, and the store by its faces.
type Kept<'a> = (&'a Arc<Service>, &'a Arc<dyn State>, &'a Arc<dyn Ledger>, &'a Arc<dyn Sessions>);

/// The administrator's console.
pub(super) fn console(
    (config, client): (&Config, &Client),
    (service, state, ledger, sessions): Kept<'_>,
    (office, clock): (&Arc<Office>, &Arc<dyn Clock>),
) -> Result<Arc<web::Console>, StartError> {
    let parts = web::Parts {
        service: service.clone(),
        state: state.clone(),
        ledger: ledger.clone(),
        sessions: sessions.clone(),
        office: office.clone(),
        sign_in: Arc::new(web::Members::new(&config.wecom, Arc::new(client.contacts(&config.wecom)))),
        clock: clock.clone(),
    };
    web::Console::new(config, parts).map(Arc::new).map_err(StartError::Certificate)
}

pub(super) fn spawn_web(
    supervisor: &Supervisor,
    listener: TcpListener,
    sources: web::Sources,
    stop: &CancellationToken,
) {
    let stop_web = stop.clone();
    let serve = async move { drop(web::serve(listener, sources, stop_web).await) };
    let once = std::sync::Mutex::new(Some(serve));
    supervisor.run("web", stop.clone(), move || {
        let serve = once.lock().ok().and_then(|mut serve| serve.take());
        async move {
            if let Some(serve) = serve {
                serve.await;
            }
        }
    });
}
