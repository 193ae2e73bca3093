//! A TCP proxy with faults, between mailbell and a real server. It knows nothing of IMAP or TLS: it moves bytes, late,
//! cut, one by one, or not at all; how is changed while it runs. Each has a port of its own.

use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep_until;

/// Pieces on their way in one direction; who has more to say waits.
const UNDER_WAY: usize = 64;

/// What becomes of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Bytes go through.
    #[default]
    Forward,
    /// A black hole: what is open stays open and never says a word again, not even afterwards, as behind a gateway that
    /// forgot it; new connections are accepted and silent for ever.
    Hole,
    /// As [`Way::Hole`], but nobody answers a SYN, so no new connection comes to be until this ends.
    Deaf,
    /// Packets are lost for a while: nothing moves, and all arrives when this ends.
    Pause,
    /// New connections are accepted and closed at once; open ones live on.
    Drop,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Rst,
    Fin,
}

/// What may be switched.
#[derive(Clone, Debug, Default)]
struct Rules {
    upstream: Option<SocketAddr>,
    way: Way,
    /// To the server, to the client.
    latency: [Duration; 2],
    one_by_one: bool,
    cut: Option<(u64, Ending)>,
    /// How often all connections were closed.
    closings: u64,
    /// How often all connections were lost in a black hole.
    holes: u64,
}

/// One connection that came.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// Bytes that the client has said, whether or not they have gone on.
    pub from_client: u64,
    /// Bytes that have reached the client.
    pub from_server: u64,
    pub ended_at: Option<Instant>,
}

type Visits = Arc<Mutex<Vec<Visit>>>;

/// See the module's text. Its end is the end of all its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    rules: watch::Sender<Rules>,
    visits: Visits,
    task: AbortHandle,
}

impl Proxy {
    /// On a free port, without a server as yet: see [`Proxy::lead_to`].
    pub fn new() -> Self {
        let (port, listener) = free_port();
        let rules = watch::channel(Rules::default()).0;
        let visits = Visits::default();
        let task = tokio::spawn(serve(listener, rules.subscribe(), visits.clone())).abort_handle();
        Self { port, rules, visits, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where connections lead that begin from now on.
    pub fn lead_to(&self, port: u16) {
        self.rules.send_modify(|rules| rules.upstream = Some((Ipv4Addr::LOCALHOST, port).into()));
    }

    pub fn set_way(&self, way: Way) {
        self.rules.send_modify(|rules| {
            rules.way = way;
            rules.holes += u64::from(matches!(way, Way::Hole | Way::Deaf));
        });
    }

    /// Delays every piece.
    pub fn set_latency(&self, to_server: Duration, to_client: Duration) {
        self.rules.send_modify(|rules| rules.latency = [to_server, to_client]);
    }

    /// Whether each byte travels alone.
    pub fn set_one_by_one(&self, alone: bool) {
        self.rules.send_modify(|rules| rules.one_by_one = alone);
    }

    /// Connections that begin from now on end after so many bytes from the server.
    pub fn set_cut(&self, cut: Option<(u64, Ending)>) {
        self.rules.send_modify(|rules| rules.cut = cut);
    }

    /// Resets all connections there are.
    pub fn close_all(&self) {
        self.rules.send_modify(|rules| rules.closings += 1);
    }

    /// All connections that came so far.
    pub fn came(&self) -> Vec<Visit> {
        self.visits.lock().unwrap().clone()
    }

    /// How many connections are open as the client sees it.
    pub fn open(&self) -> usize {
        self.came().iter().filter(|visit| visit.ended_at.is_none()).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A free port below the range from which the system serves outgoing connections, so that it can be bound again.
pub fn free_port() -> (u16, StdListener) {
    loop {
        let port = rand::random_range(10_500..30_000);
        if let Ok(listener) = StdListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return (port, listener);
        }
    }
}

async fn serve(listener: StdListener, mut rules: watch::Receiver<Rules>, visits: Visits) {
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    let mut listener = TcpListener::from_std(listener).unwrap();
    // aborted with this task
    let mut connections = JoinSet::new();
    loop {
        if rules.borrow_and_update().way == Way::Deaf {
            drop(listener);
            let deaf = Deaf::at(at).await;
            until(&mut rules, |rules| rules.way != Way::Deaf).await;
            drop(deaf);
            listener = TcpListener::bind(at).await.unwrap();
            continue;
        }
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                // What holds now holds for it, though the test may go on before its task begins.
                let first = rules.borrow().clone();
                let mut visits_now = visits.lock().unwrap();
                visits_now.push(Visit { from_client: 0, from_server: 0, ended_at: None });
                let visit = VisitAt { visits: visits.clone(), index: visits_now.len() - 1 };
                connections.spawn(carry(stream, first, rules.clone(), visit));
            }
            changed = rules.changed() => if changed.is_err() { return },
        }
        while connections.try_join_next().is_some() {}
    }
}

/// A listener whose queue is full: the system drops each further SYN.
struct Deaf {
    _listener: Socket,
    _queued: Vec<TcpStream>,
}

impl Deaf {
    async fn at(at: SocketAddr) -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.set_reuse_address(true).unwrap();
        listener.bind(&at.into()).unwrap();
        listener.listen(0).unwrap();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(at)).await {
            queued.push(stream);
        }
        Self { _listener: listener, _queued: queued }
    }
}

/// The place of a connection in the record.
struct VisitAt {
    visits: Visits,
    index: usize,
}

impl VisitAt {
    fn note(&self, change: impl FnOnce(&mut Visit)) {
        change(&mut self.visits.lock().unwrap()[self.index]);
    }

    fn end(&self) {
        self.note(|visit| visit.ended_at = visit.ended_at.or(Some(Instant::now())));
    }
}

/// Why bytes do not go on.
enum Stop {
    /// As many bytes have arrived as may.
    Full,
    Cut(Ending),
    Broken,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// Waits until the rules are so; for ever when nobody can change them any more.
async fn until(rules: &mut watch::Receiver<Rules>, so: impl FnMut(&Rules) -> bool) {
    if rules.wait_for(so).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The life of one connection.
async fn carry(mut client: TcpStream, first: Rules, rules: watch::Receiver<Rules>, visit: VisitAt) {
    let mut closed = rules.clone();
    tokio::select! {
        () = life(&mut client, &first, rules, &visit) => {}
        () = until(&mut closed, |rules| rules.closings != first.closings) => reset(&client),
    }
    visit.end();
}

async fn life(client: &mut TcpStream, first: &Rules, rules: watch::Receiver<Rules>, visit: &VisitAt) {
    match first.way {
        Way::Drop => return,
        Way::Hole | Way::Deaf => return lose(client, None, visit).await,
        Way::Forward | Way::Pause => {}
    }
    let Some(upstream) = first.upstream else { return reset(client) };
    let Ok(mut server) = TcpStream::connect(upstream).await else { return reset(client) };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut holes = rules.clone();
    let ended = tokio::select! {
        ended = both_ways(client, &mut server, first.cut, &rules, visit) => ended,
        () = until(&mut holes, |rules| rules.holes != first.holes) => return lose(client, Some(server), visit).await,
    };
    if !matches!(ended, Ok(()) | Err(Stop::Cut(Ending::Fin))) {
        reset(client);
    }
}

/// Closing this one sends RST.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Both ends stay open, and what they say goes nowhere. The server never learns that the client has gone.
async fn lose(client: &mut TcpStream, server: Option<TcpStream>, visit: &VisitAt) {
    let swallow_client = async {
        let _ = tokio::io::copy(client, &mut tokio::io::sink()).await;
        visit.end();
    };
    let swallow_server = async {
        if let Some(mut server) = server {
            let _ = tokio::io::copy(&mut server, &mut tokio::io::sink()).await;
        }
    };
    tokio::join!(swallow_client, swallow_server);
}

async fn both_ways(
    client: &mut TcpStream,
    server: &mut TcpStream,
    cut: Option<(u64, Ending)>,
    rules: &watch::Receiver<Rules>,
    visit: &VisitAt,
) -> Result<(), Stop> {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let heard = |bytes| visit.note(|visit| visit.from_client += bytes);
    let up = async {
        let (sender, pieces) = mpsc::channel(UNDER_WAY);
        tokio::try_join!(take(from_client, sender, rules, 0, heard), give(pieces, to_server, rules, u64::MAX, |_| {}))
    };
    let arrived = |bytes| visit.note(|visit| visit.from_server += bytes);
    let down = async {
        let (sender, pieces) = mpsc::channel(UNDER_WAY);
        let most = cut.map_or(u64::MAX, |(after, _)| after);
        tokio::try_join!(take(from_server, sender, rules, 1, |_| {}), give(pieces, to_client, rules, most, arrived))
    };
    match (tokio::try_join!(up, down), cut) {
        (Err(Stop::Full), Some((_, ending))) => Err(Stop::Cut(ending)),
        (ended, _) => ended.map(drop),
    }
}

/// A piece and when it is to arrive; an empty one is the end.
type Piece = (tokio::time::Instant, Vec<u8>);

/// Takes bytes from one side and dates them.
async fn take(
    mut from: impl AsyncRead + Unpin,
    sender: mpsc::Sender<Piece>,
    rules: &watch::Receiver<Rules>,
    direction: usize,
    heard: impl Fn(u64),
) -> Result<(), Stop> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        heard(read as u64);
        let latency = rules.borrow().latency[direction];
        let piece = (tokio::time::Instant::now() + latency, buffer[..read].to_vec());
        if sender.send(piece).await.is_err() || read == 0 {
            return Ok(());
        }
    }
}

/// Gives them to the other side when it is time, at most so many.
async fn give(
    mut pieces: mpsc::Receiver<Piece>,
    mut to: impl AsyncWrite + Unpin,
    rules: &watch::Receiver<Rules>,
    most: u64,
    arrived: impl Fn(u64),
) -> Result<(), Stop> {
    let mut rules = rules.clone();
    let mut left = usize::try_from(most).unwrap_or(usize::MAX);
    while let Some((due, piece)) = pieces.recv().await {
        sleep_until(due).await;
        until(&mut rules, |rules| rules.way != Way::Pause).await;
        if piece.is_empty() {
            break;
        }
        let goes = &piece[..piece.len().min(left)];
        let alone = rules.borrow().one_by_one;
        for part in goes.chunks(if alone { 1 } else { goes.len().max(1) }) {
            to.write_all(part).await?;
            tokio::task::yield_now().await;
        }
        left -= goes.len();
        arrived(goes.len() as u64);
        if left == 0 {
            return Err(Stop::Full);
        }
    }
    to.shutdown().await?;
    Ok(())
}

/// What the proxy promises, tried with a server that says everything twice.
mod tests {
    use super::*;
    use tokio::io::AsyncBufReadExt;
    use tokio::io::BufReader;

    /// Answers each line with the line, twice.
    async fn echo() -> (Proxy, AbortHandle) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let mut all = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                all.spawn(async move {
                    let (read, mut write) = stream.split();
                    let mut lines = BufReader::new(read).lines();
                    while let Ok(Some(line)) = lines.next_line().await {
                        if write.write_all(format!("{line}\n{line}\n").as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let proxy = Proxy::new();
        proxy.lead_to(port);
        (proxy, task.abort_handle())
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await.unwrap()
    }

    /// What comes within this time, and how it ended, if it did.
    async fn hear(stream: &mut TcpStream, within: Duration) -> (String, Option<io::Result<()>>) {
        let mut heard = Vec::new();
        let mut end = None;
        let _ = tokio::time::timeout(within, async {
            let mut buffer = [0; 1024];
            loop {
                match stream.read(&mut buffer).await {
                    Ok(0) => return end = Some(Ok(())),
                    Ok(n) => heard.extend_from_slice(&buffer[..n]),
                    Err(error) => return end = Some(Err(error)),
                }
            }
        })
        .await;
        (String::from_utf8(heard).unwrap(), end)
    }

    const SOON: Duration = Duration::from_millis(300);

    #[tokio::test]
    async fn bytes_go_through_late_cut_and_one_by_one() {
        let (proxy, _server) = echo().await;
        let mut plain = connect(&proxy).await;
        plain.write_all(b"hello\n").await.unwrap();
        assert_eq!(hear(&mut plain, SOON).await.0, "hello\nhello\n");
        proxy.set_one_by_one(true);
        proxy.set_latency(Duration::from_millis(100), Duration::from_millis(200));
        let asked_at = Instant::now();
        plain.write_all(b"x\n").await.unwrap();
        let mut four = [0; 4];
        plain.read_exact(&mut four).await.unwrap();
        assert!(asked_at.elapsed() >= SOON, "{:?}", asked_at.elapsed());
        proxy.set_latency(Duration::ZERO, Duration::ZERO);
        for ending in [Ending::Fin, Ending::Rst] {
            proxy.set_cut(Some((3, ending)));
            let mut cut = connect(&proxy).await;
            cut.write_all(b"abcd\n").await.unwrap();
            let (heard, end) = hear(&mut cut, SOON * 10).await;
            assert_eq!(end.unwrap().is_ok(), ending == Ending::Fin);
            // a reset takes with it what was not read yet
            assert!("abc".starts_with(&heard) && (ending == Ending::Rst || heard == "abc"), "{heard}");
        }
        assert_eq!(proxy.came().len(), 3);
        assert_eq!(proxy.open(), 1);
    }

    #[tokio::test]
    async fn a_hole_swallows_for_ever_and_a_pause_for_a_while() {
        let (proxy, _server) = echo().await;
        for way in [Way::Hole, Way::Deaf, Way::Pause] {
            let mut before = connect(&proxy).await;
            before.write_all(b"a\n").await.unwrap();
            assert_eq!(hear(&mut before, SOON).await.0, "a\na\n");
            proxy.set_way(way);
            // the listener of the deaf takes a moment
            tokio::time::sleep(SOON).await;
            before.write_all(b"b\n").await.unwrap();
            assert!(matches!(hear(&mut before, SOON).await, (text, None) if text.is_empty()));
            let at = (Ipv4Addr::LOCALHOST, proxy.port());
            let during = tokio::time::timeout(SOON, TcpStream::connect(at)).await;
            assert_eq!(during.is_err(), way == Way::Deaf);
            proxy.set_way(Way::Forward);
            let heard = if way == Way::Pause { "b\nb\n" } else { "" };
            assert!(matches!(hear(&mut before, SOON).await, (text, None) if text == heard));
            let mut after = connect(&proxy).await;
            after.write_all(b"c\n").await.unwrap();
            assert_eq!(hear(&mut after, SOON).await.0, "c\nc\n");
        }
        proxy.set_way(Way::Drop);
        assert!(hear(&mut connect(&proxy).await, SOON * 10).await.1.is_some());
        let mut open = connect(&proxy).await;
        proxy.close_all();
        assert!(hear(&mut open, SOON * 10).await.1.is_some());
    }
}
