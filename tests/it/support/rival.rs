//! Another WeCom for tests, strict and full of faults: its own reading of the API, with nothing of the sandbox in it
//! (`wecom-api.md` is its only source). It takes the same calls as the sandbox, writes down all that comes, what each
//! member sees and each rule that is broken, and fails as told.

pub mod book;
pub mod corp;
pub mod faults;
pub mod form;
pub mod limits;
pub mod office;
pub mod wire;

use corp::Corp;
use faults::{Fault, Faults, Plan};
use office::{Answer, Call, Office};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use wire::{Ending, Wire};

/// A running server; it ends when this is dropped.
pub struct Rival {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

struct Shared {
    opened: Instant,
    office: Mutex<Office>,
    faults: Mutex<Faults>,
}

impl Rival {
    /// Opens on a port of this machine.
    pub async fn open(corp: Corp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (office, faults) = (Mutex::new(Office::new(corp)), Mutex::new(Faults::none()));
        let shared = Arc::new(Shared { opened: Instant::now(), office, faults });
        let serving = shared.clone();
        let listening = tokio::spawn(async move {
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(serving.clone(), stream));
                }
            }
        });
        Self { addr, shared, listening }
    }

    /// Since the opening: the time of everything that is written down.
    pub fn now(&self) -> Duration {
        self.shared.opened.elapsed()
    }

    /// To look into and to change.
    pub fn office(&self) -> MutexGuard<'_, Office> {
        self.shared.office.lock().unwrap()
    }

    /// To set up.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.shared.faults.lock().unwrap()
    }

    /// From now on by this plan, or well.
    pub fn follow(&self, plan: Option<Plan>) {
        self.faults().follow(plan);
    }

    /// The next sends meet these, one each.
    pub fn next(&self, faults: &[Fault]) {
        self.faults().next(faults.iter().copied().map(Some));
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let mut wire = Wire::new(stream);
    loop {
        match wire.read().await {
            Ok(Some(call)) => {
                let ending = shared.handle(&call).await;
                if !wire.write(ending).await.unwrap_or(false) {
                    return;
                }
            }
            Ok(None) => return,
            Err(reason) => {
                // A client that goes away breaks no rule; one that talks nonsense does.
                if reason.kind() == std::io::ErrorKind::InvalidData {
                    shared.office.lock().unwrap().book.breaks(shared.opened.elapsed(), reason.to_string());
                }
                return;
            }
        }
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    async fn handle(&self, call: &Call) -> Ending {
        self.office.lock().unwrap().arrive(call, self.now());
        let fault = self.faults.lock().unwrap().draw(call, self.now());
        if let Some(fault) = fault {
            *self.office.lock().unwrap().book.faults.entry(fault.name()).or_default() += 1;
        }
        if let Some(Fault::Slow { by, taken: false }) = fault {
            tokio::time::sleep(by).await;
        }
        let ending = self.act(call, fault);
        if let Some(Fault::Slow { by, taken: true }) = fault {
            tokio::time::sleep(by).await;
        }
        let mut office = self.office.lock().unwrap();
        if let Ending::Whole(answer) = &ending {
            office.told(call, answer, self.now());
        }
        office.leave(call);
        ending
    }

    /// Takes the call or not, and makes of the answer what the fault wants.
    fn act(&self, call: &Call, fault: Option<Fault>) -> Ending {
        let now = self.now();
        let mut office = self.office.lock().unwrap();
        let mut taken = |taken: bool| taken.then(|| office.judge(call, now));
        let plain = |body: &str| Answer { status: 200, kind: "text/plain", body: body.to_owned(), code: None };
        let ending = match fault {
            None | Some(Fault::Slow { .. }) => office.judge(call, now),
            Some(Fault::Lost { taken: yes }) => {
                taken(yes);
                return Ending::Lost;
            }
            Some(Fault::Cut) => return Ending::Half(office.judge(call, now)),
            Some(Fault::Status { status, taken: yes }) => {
                taken(yes);
                Answer::page(status)
            }
            Some(Fault::Page { taken: yes }) => {
                taken(yes);
                Answer::page(200)
            }
            Some(Fault::Garbage { taken: yes }) => {
                taken(yes);
                plain("\u{1}\u{2}{\"errcode\":0,")
            }
            Some(Fault::Empty { taken: yes }) => {
                taken(yes);
                plain("")
            }
            Some(Fault::BusyTaken) => {
                taken(true);
                self.forced(&mut office, -1)
            }
            Some(Fault::Code(code)) => self.forced(&mut office, code),
            Some(Fault::NoCode) => without_code(office.judge(call, now)),
            Some(Fault::Quota) => {
                office.block(now);
                office.judge(call, now)
            }
            Some(Fault::Untrusted(length)) => {
                office.distrust(now + length);
                office.judge(call, now)
            }
            Some(Fault::Withdrawn) => {
                office.withdraw();
                office.judge(call, now)
            }
        };
        Ending::Whole(ending)
    }

    fn forced(&self, office: &mut Office, code: i64) -> Answer {
        let answer = Answer::json(code, "as told", Value::Object(serde_json::Map::new()));
        office.count(&answer);
        answer
    }
}

/// A success without its errcode; a refusal keeps it.
fn without_code(mut answer: Answer) -> Answer {
    if answer.code == Some(0)
        && let Ok(Value::Object(mut fields)) = serde_json::from_str(&answer.body)
    {
        fields.remove("errcode");
        answer.body = Value::Object(fields).to_string();
    }
    answer
}
