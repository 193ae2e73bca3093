// imapflow as people use it: a client per mailbox in one process, IDLE at once, the envelope of each new letter, a POST.

import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const ca = readFileSync(job.ca);

async function post(user, text) {
    const body = JSON.stringify({ touser: user, msgtype: 'text', agentid: 1, text: { content: text } });
    const answer = await fetch(job.post, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    await answer.text();
}

async function watch(user) {
    const client = new ImapFlow({
        host: job.host,
        port: job.port,
        secure: true,
        tls: { ca },
        auth: { user, pass: job.password },
        logger: false,
        maxIdleTime: 240_000,
        // not worth its memory for a few headers
        disableCompression: true
    });
    client.on('error', error => {
        console.error(user, error.message);
        process.exit(1);
    });
    await client.connect();
    const mailbox = await client.mailboxOpen('INBOX', { readOnly: true });
    let next = mailbox.uidNext;
    let told = false;
    let busy = false;
    const idle = () => client.idle().catch(error => console.error(user, error.message));
    client.on('exists', async () => {
        told = true;
        if (busy) return;
        busy = true;
        while (told) {
            told = false;
            for (const letter of await client.fetchAll(`${next}:*`, { uid: true, envelope: true }, { uid: true })) {
                if (letter.uid < next) continue;
                next = letter.uid + 1;
                const [from] = letter.envelope.from;
                await post(user, `${from.name} <${from.address}> ${letter.envelope.subject}`);
            }
        }
        busy = false;
        idle();
    });
    idle();
}

const queue = [...job.users];
const opener = async () => {
    while (queue.length) await watch(queue.shift());
};
await Promise.all(Array.from({ length: job.opening }, opener));
console.log(`watching ${job.users.length}`);
