// Results: what is wrong, why, what to do, and the text that must be signed.

import { age, visible } from "../../format.js";
import { facts, name, tag } from "../../parts/badges.js";
import { codeBlock } from "../../parts/copy.js";
import { html, nothing } from "../../parts/html.js";
import { icon } from "../../parts/icons.js";
import { table } from "../../parts/table.js";

const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "");

const verdict = (isGood, title, text) => html`
  <div class="verdict ${isGood ? "good" : "bad"}">${icon(isGood ? "check" : "no")}<div><p><b>${title}</b></p>${text ? html`<p>${text}</p>` : nothing}</div></div>`;

/** Of an auth string, or of a whole answer. */
export function explanation({ correct, code, cause, fix, expected = [], connected }, page) {
  return html`
    <div class="in">
      ${verdict(correct, sentence(cause), html`<code>${code}</code>`)}
      ${facts([
        ["Fix", fix ? sentence(fix) : undefined],
        ["Connection", connected === undefined || connected === null ? undefined : connected ? "This socket is connected." : "No such connection. It may have ended, or be on another server."],
      ])}
      ${expected.length ? html`
        <div><h3 class="sub-title">${expected.length > 1 ? "One of these texts must be signed" : "The text to be signed"}</h3>
          <p class="dim">HMAC-SHA256 with the app's secret, in hex, behind the app's key and a colon.</p></div>
        ${expected.map((text) => codeBlock(page, text))}` : nothing}
    </div>`;
}

export function tokenReport(report) {
  const { channel, granted, denied, access_token: isOurs, needs_authorization: needsIt, claims = [], rules, member, allow = [], expires } = report;
  const title = !needsIt ? "A public channel needs no authorization" : granted ? "Granted" : "Denied";
  return html`
    <div class="in">
      ${verdict(granted, title, sentence(denied ?? ""))}
      ${facts([
        ["Channel", name(channel)],
        ["Decided by", needsIt ? decider(isOurs, rules) : undefined],
        ["Member", member ? html`${name(member.user_id)}${member.user_info === undefined ? nothing : html` <span class="dim">${visible(JSON.stringify(member.user_info))}</span>`}` : undefined],
        ["Allowed", granted && allow.length ? allow.map((it) => tag(it, "open")) : undefined],
        ["Ends", expires ? `in ${age(expires - Date.now() / 1000)}` : undefined],
      ])}
      ${claims.length ? html`<div><h3 class="sub-title">Claims that decide</h3>${claimList(claims)}</div>` : nothing}
    </div>
    ${rules?.length ? table({ label: "Rules, in their order", columns: RULE_COLUMNS, rows: rules.map((rule, at) => ({ ...rule, at })), key: (rule) => rule.at, selected: (rule) => rule.decides }) : nothing}`;
}

function decider(isOurs, rules) {
  if (isOurs) return "an access token of this server";
  if (!rules) return "the token's own claim";
  const at = rules.findIndex((rule) => rule.decides);
  return at < 0 ? "no rule: none matches" : `rule ${at}`;
}

const RULE_COLUMNS = [
  { title: "Rule", cell: (rule) => html`${rule.at} ${name(rule.channel)}` },
  { title: "Verdict", grow: true, cell: (rule) => html`<span class="wrap">${rule.decides ? html`decides: ${rule.allow.length ? rule.allow.join(", ") : "nobody joins"}` : sentence(rule.mismatch ?? "does not match")}</span>${rule.claims?.length ? claimList(rule.claims) : nothing}` },
];

const claimList = (claims) => html`
  <ul class="claims">${claims.map(({ name: claim, value }) => html`<li>${name(claim)} ${value === null || value === undefined ? html`<span class="dim">is not there</span>` : html`= ${name(JSON.stringify(value))}`}</li>`)}</ul>`;
