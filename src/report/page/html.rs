//! The page as HTML: one file that a browser opens from anywhere, and that fetches and runs nothing.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::super::sentence::Sign;
use super::Page;
use super::chart::{Chart, ROWS, letters, swatch};
use super::content::Table;
use crate::domain::text::{html, many};

/// The page's style. The policy names it by its fingerprint, so that no other is obeyed.
const STYLE: &str = include_str!("style.css");
/// The most rows of the longest table.
const TOLD: usize = 2_000;

/// The page.
pub(super) fn page(page: &Page<'_>) -> String {
    let title = html(&page.title());
    let class = match page.why.status.sign() {
        Sign::Good => "good",
        Sign::Bad => "bad",
        Sign::Back | Sign::Wait | Sign::Heed => "heed",
        Sign::Step => "step",
    };
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{} ({title})</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header class=\"{class}\">\n<p class=\"faint\">tidegate rollout</p>\n<h1>{title}</h1>\n\
         <p class=\"why\">{}</p>\n</header>\n",
        base64(&Sha256::digest(STYLE.as_bytes())),
        html(&page.subject()),
        html(&page.why.because()),
    );
    for flaw in page.flawed() {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", html(&flaw));
    }
    out.push_str("<section>\n<h2>Facts</h2>\n<dl>\n");
    for (label, words) in page.facts() {
        let _ = writeln!(out, "<dt>{label}</dt><dd>{}</dd>", html(&words));
    }
    out.push_str("</dl>\n</section>\n");
    charts(&mut out, page);
    table(&mut out, &page.gates(), ROWS);
    table(&mut out, &page.steps(), ROWS);
    table(&mut out, &page.people(), ROWS);
    table(&mut out, &page.verdicts(), ROWS);
    out.push_str("<details>\n<summary>Everything that happened</summary>\n");
    table(&mut out, &page.told(), TOLD);
    let _ = write!(
        out,
        "</details>\n<footer class=\"faint\"><p>Read from the journal at {}, by tidegate {}. All times are UTC.</p>\
         </footer>\n</main>\n</body>\n</html>\n",
        page.why.status.at,
        env!("CARGO_PKG_VERSION")
    );
    out
}

fn charts(out: &mut String, page: &Page<'_>) {
    let charts = page.charts();
    out.push_str("<section>\n<h2>Over time</h2>\n");
    if let Some(chart) = charts.first().filter(|chart| !chart.moments.is_empty()) {
        out.push_str("<ul class=\"legend\">\n");
        for (letter, moment) in letters().zip(&chart.moments) {
            let _ = writeln!(out, "<li>{letter}: {}, {}</li>", moment.at.time_of_day(), moment.what);
        }
        out.push_str("</ul>\n");
    }
    out.push_str("<div class=\"charts\">\n");
    for (number, chart) in charts.iter().enumerate() {
        figure(out, number, chart);
    }
    out.push_str("</div>\n");
    for lack in page.lacks() {
        let _ = writeln!(out, "<p class=\"faint\">{}</p>", html(&lack));
    }
    out.push_str("</section>\n");
}

fn figure(out: &mut String, number: usize, chart: &Chart) {
    let _ = write!(
        out,
        "<figure>\n<h3>{}</h3>\n<figcaption>{}</figcaption>\n{}<ul class=\"legend\">\n",
        html(&chart.title),
        html(&chart.about),
        chart.svg(number)
    );
    for line in &chart.lines {
        let none = if line.points.is_empty() { " (nothing known)" } else { "" };
        let _ = writeln!(out, "<li>{}{}{none}</li>", swatch(line.look), line.name);
    }
    if let Some((_, bound)) = &chart.bound {
        let _ = writeln!(out, "<li>long dashes: {}</li>", html(bound));
    }
    out.push_str("</ul>\n<details>\n<summary>These figures as a table</summary>\n");
    let head: Vec<&str> = std::iter::once("time (UTC)").chain(chart.lines.iter().map(|line| line.name)).collect();
    rows(out, (&chart.title, &head), &chart.rows(), ROWS);
    out.push_str("</details>\n</figure>\n");
}

fn table(out: &mut String, table: &Table, most: usize) {
    let _ = writeln!(out, "<section>\n<h2>{}</h2>", table.title);
    if table.rows.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", table.empty);
    } else {
        rows(out, (table.title, table.head), &table.rows, most);
    }
    out.push_str("</section>\n");
}

/// The rows of a table, at most so many: the last ones, because they say how it ended.
fn rows(out: &mut String, (title, head): (&str, &[&str]), rows: &[Vec<String>], most: usize) {
    let left = rows.len().saturating_sub(most);
    let _ =
        writeln!(out, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n<table>", html(title));
    if left > 0 {
        let _ = writeln!(out, "<caption>The first {} are left out.</caption>", many(left as u64, "row"));
    }
    out.push_str("<thead><tr>");
    for cell in head {
        let _ = write!(out, "<th scope=\"col\">{}</th>", html(cell));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &rows[left..] {
        out.push_str("<tr>");
        for (n, cell) in row.iter().enumerate() {
            let cell = html(cell);
            let _ = if n == 0 { write!(out, "<th scope=\"row\">{cell}</th>") } else { write!(out, "<td>{cell}</td>") };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

/// Bytes as the policy wants a fingerprint (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for n in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * n) & 63) as usize];
            text.push(if n <= part.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_written_as_the_standard_says() {
        let check = |bytes: &str, text| assert_eq!(base64(bytes.as_bytes()), text);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foobar", "Zm9vYmFy");
    }
}
