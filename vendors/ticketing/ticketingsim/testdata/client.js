// Drives the vendor's own client, as it is published, through sessions, tokens,
// tickets and admissions, and prints what it saw as JSON. Arguments: the client's
// folder, the integration key, the user, the password, a token's code.
const [, , folder, key, user, password, code] = process.argv;
const { TickeTing } = require(folder);

const name = (error) => (error && error.constructor ? error.constructor.name : String(error));
const failure = (promise) => promise.then(
  () => ({ error: "none" }),
  (error) => ({ error: name(error), code: error.code, message: error.message }),
);

async function sessions() {
  const out = {};
  const client = new TickeTing({ apiKey: key, sandbox: true });
  out.wrong = await failure(client.session.start({ identification: user, password: "wrong" }));
  out.unknown = await failure(client.session.start({ identification: "nobody", password }));
  out.key = await client.session.start({ identification: user, password });
  const info = await client.session.info();
  Object.assign(out, { started: info.started, username: info.account.username, id: info.id, sessionKey: info.key });
  await client.session.end(false);
  out.notOurs = await failure(client.session.resume("notavalidkey"));
  out.resumed = await client.session.resume(out.key);
  out.ended = await client.session.end();
  out.afterwards = await failure(client.session.resume(out.key));
  return out;
}

async function tokens() {
  const out = {};
  const client = new TickeTing({ apiKey: key, sandbox: true });
  const session = await client.session.admission(code, "Name", "Device");
  const event = session.event;
  const issued = await event.issue_token([event.sections[0]]);
  out.issued = { code: issued.code, global: issued.global, sections: issued.sections.map((s) => s.uri), id: issued.id };
  out.nothing = await failure(event.issue_token([]));
  out.all = (await event.tokens).map((t) => ({ code: t.code, global: t.global, sections: t.sections.map((s) => s && s.name) }));
  out.additional = (await event.tokens.filter({ global: false })).map((t) => t.global);
  issued.allow(event.sections[1]);
  out.saved = await issued.save();
  out.savedSections = (await event.tokens).find((t) => t.code === issued.code).sections.length;
  const global = (await event.tokens)[0];
  global.deny(event.sections[0]);
  out.globalSave = await failure(global.save());
  out.globalDelete = await failure(global.delete());
  out.deleted = await issued.delete();
  out.left = (await event.tokens).length;
  return out;
}

async function admissions() {
  const out = {};
  const client = new TickeTing({ apiKey: key, sandbox: true });
  out.invalid = await failure(client.session.admission("INVALID", "Name", "Device"));
  const session = await client.session.admission(code, "Name", "Device");
  out.event = session.event.uri;
  out.sections = session.sections.map((s) => s.uri);
  const tickets = await session.tickets();
  out.tickets = tickets.map((t) => ({
    serial: t.serial, status: t.status, section: t.section.uri, owner: t.owner.uri, issued: t.issued, redeemed: t.redeemed,
  }));
  out.pageOfTwo = (await session.tickets(2)).length;
  const paged = session.tickets(2);
  await paged;
  out.pages = await paged.pages;
  out.second = (await paged.next()).map((t) => t.serial);
  out.since = (await session.tickets().filter({ modified_since: "2000-01-01T00:00:00+00:00" })).length;
  out.sinceNever = (await session.tickets().filter({ modified_since: "2999-01-01T00:00:00+00:00" })).length;
  out.beyond = await failure(session.tickets(2).goto(99));
  const serials = tickets.filter((t) => t.status === "Issued").map((t) => t.serial);
  const admitted = await session.admit([...serials, "DAWIER-NOBO00000000"]);
  out.admitted = admitted.map((a) => ({
    redeemer: a.redeemer, device: a.device, ticket: a.ticket, patron: a.patron.uri, section: a.section.uri, admitted: a.admitted, id: a.id,
  }));
  out.again = await failure(session.admit(serials));
  const count = async (criteria) => (await session.admissions().filter(criteria)).length;
  out.all = (await session.admissions(50)).length;
  out.byRedeemer = await count({ redeemer: "Name" });
  out.byNobody = await count({ redeemer: "Nobody" });
  out.byDevice = await count({ device: "Device" });
  out.byTicket = await count({ ticket: serials[0] });
  out.byPatron = await count({ patron: tickets[0].owner.username });
  out.bySection = await count({ section: session.sections[0].id });
  out.after = (await session.tickets()).map((t) => ({ status: t.status, redeemed: t.redeemed }));
  out.ended = await session.end();
  return out;
}

(async () => {
  const out = { sessions: await sessions(), tokens: await tokens(), admissions: await admissions() };
  process.stdout.write(JSON.stringify(out));
})().catch((error) => {
  process.stderr.write(`${name(error)} ${error.code || ""} ${error.message || ""}\n${error.stack || ""}\n`);
  process.exit(1);
});
