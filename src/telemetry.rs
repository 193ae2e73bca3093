//! The log: lines for people or JSON objects, on stderr.

use crate::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// The environment variable that sets what is logged, for example `debug` or `mailbell::deliver=debug`.
pub const LOG_VARIABLE: &str = "MAILBELL_LOG";
/// Libraries that would log commands with passwords or URLs with tokens are never heard below this.
const CAPPED: &[&str] =
    &["async_imap=info", "reqwest=info", "hyper=info", "hyper_util=info", "rustls=warn", "sled=warn"];

/// Begins to log. Called once; a second call changes nothing. Lines that cannot be written (a full disk, a closed pipe)
/// are lost, and nothing else.
pub fn init(log: &Log) {
    let wanted = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| "info".to_owned());
    let mut filter = EnvFilter::builder().parse_lossy(wanted);
    for directive in CAPPED.iter().filter_map(|d| d.parse().ok()) {
        filter = filter.add_directive(directive);
    }
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .log_internal_errors(false);
    crate::unwind::install_hook();
    let _ = match log.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
