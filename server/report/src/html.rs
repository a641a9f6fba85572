//! HTML page of a run. It contains everything, fetches nothing and is readable without scripts.

use super::contact_sheet::CELL;
use super::mistakes::{COLUMNS, Mistake};
use super::record::Record;
use super::runs::duration;
use super::svg::inline;
use super::tables::{LabelRow, MetricRow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The worst mistakes as the page shows them.
#[derive(Debug, Default)]
pub(crate) struct Worst {
    /// Mistakes, worst first.
    pub(crate) mistakes: Vec<Mistake>,
    /// Their photos as one JPEG.
    pub(crate) sheet: Option<Vec<u8>>,
    /// Reason for a missing sheet.
    pub(crate) note: Option<String>,
}

/// Content of the page.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    /// The run.
    pub(crate) record: &'a Record,
    /// Metrics over all labels; empty for retrieval.
    pub(crate) metrics: Vec<MetricRow>,
    /// Plots as SVG.
    pub(crate) plots: Vec<&'a str>,
    /// Metrics of each label; empty for retrieval.
    pub(crate) labels: &'a [LabelRow],
    /// The worst mistakes; empty for retrieval.
    pub(crate) worst: &'a Worst,
}

/// Draws the page.
pub(crate) fn page(content: &Content<'_>) -> String {
    let name = content.record.name();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (name) }
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                style { (PreEscaped(STYLE)) (PreEscaped(sheet_style(content.worst))) }
            }
            body {
                main {
                    h1 { (name) }
                    (overview(content.record))
                    (metrics(content))
                    section id="plots" {
                        h2 { "Plots" }
                        @for svg in &content.plots {
                            figure { (PreEscaped(inline(svg))) }
                        }
                    }
                    @if !content.labels.is_empty() {
                        (labels(content.labels))
                        (mistakes(content.worst))
                    }
                    (origin(content.record))
                }
                script { (PreEscaped(SORT)) }
            }
        }
    };
    page.into_string()
}

fn overview(record: &Record) -> Markup {
    let unknown = || "unknown".to_owned();
    let planned = record
        .epochs_planned()
        .map_or_else(unknown, |planned| planned.to_string());
    let best = record.best().map_or_else(
        || "none yet".to_owned(),
        |best| format!("{:.4} in epoch {}", best.score.unwrap_or(f64::NAN), best.epoch + 1),
    );
    let mut pairs = vec![
        ("Task", record.task().unwrap_or_else(unknown)),
        ("Backbone", record.backbone().unwrap_or_else(unknown)),
        ("Epochs", format!("{} of {planned}", record.epochs.len())),
        ("Best score on the tuning part", best),
        ("Training time", duration(record.seconds())),
    ];
    if let Some(provenance) = &record.provenance {
        pairs.push(("Device", provenance.device.clone()));
    }
    html! {
        section id="overview" {
            (definitions(&pairs))
            @for note in &record.notes {
                p.note { (note) }
            }
        }
    }
}

fn definitions(pairs: &[(&str, String)]) -> Markup {
    html! {
        dl {
            @for (term, text) in pairs {
                div { dt { (term) } dd { (text) } }
            }
        }
    }
}

fn metrics(content: &Content<'_>) -> Markup {
    if content.metrics.is_empty() {
        return best_epoch(content.record);
    }
    html! {
        section id="metrics" {
            h2 { "Metrics and constant baselines" }
            p {
                "On the tuning part. The epoch and the thresholds were chosen on these photos, so the metrics are too high. "
                code { "selvedge evaluate" }
                " measures on another split. Brackets are 95\u{a0}% bootstrap intervals."
            }
            div.wide {
                table {
                    thead {
                        tr {
                            @for heading in ["metric", "chosen thresholds", "every threshold at 0.5", "constant baseline"] {
                                th { (heading) }
                            }
                        }
                    }
                    tbody {
                        @for MetricRow { name, ours, half, baseline, baseline_value } in &content.metrics {
                            tr {
                                td { (name) }
                                td { b { (format!("{:.4}", ours.value)) } (format!(" [{:.4}, {:.4}]", ours.low, ours.high)) }
                                td { (format!("{half:.4}")) }
                                td { (format!("{baseline_value:.4} ")) small { (baseline) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Metrics of the best epoch from the record of the run.
fn best_epoch(record: &Record) -> Markup {
    let metrics = record.best().map(|best| &best.metrics);
    html! {
        section id="metrics" {
            h2 { "Metrics of the best epoch" }
            p { "On the tuning part, which chose the epoch." }
            table {
                thead { tr { th { "metric" } th { "value" } } }
                tbody {
                    @for (name, value) in metrics.into_iter().flatten() {
                        tr { td { (name) } td { (format!("{value:.4}")) } }
                    }
                }
            }
        }
    }
}

fn labels(rows: &[LabelRow]) -> Markup {
    let headings = [
        "label",
        "images",
        "threshold",
        "precision",
        "recall",
        "F2",
        "95 % interval",
        "all positive",
        "gain",
        "average precision",
    ];
    let number = |value: f64| {
        let is_known = value.is_finite();
        html! {
            td data-v=(if is_known { value } else { -1.0 }) {
                (if is_known { format!("{value:.3}") } else { "–".to_owned() })
            }
        }
    };
    let row = |row: &LabelRow| {
        let gain = row.f2.value - row.all_positive_f2;
        html! {
            tr {
                td { (row.id) }
                td data-v=(row.support) { (row.support) }
                (number(f64::from(row.threshold)))
                (number(row.at.precision))
                (number(row.at.recall))
                (number(row.f2.value))
                td data-v=(row.f2.high - row.f2.low) { (format!("{:.3}–{:.3}", row.f2.low, row.f2.high)) }
                (number(row.all_positive_f2))
                td data-v=(gain) class=(if gain > 0.0 { "up" } else { "down" }) { (format!("{gain:+.3}")) }
                (number(row.average_precision))
            }
        }
    };
    html! {
        section id="labels" {
            h2 { "Labels" }
            p { "Press a heading to sort by it." }
            div.wide {
                table.sortable {
                    thead {
                        tr {
                            @for heading in headings {
                                th aria-sort="none" { button type="button" { (heading) } }
                            }
                        }
                    }
                    tbody { @for label in rows { (row(label)) } }
                }
            }
        }
    }
}

fn mistakes(worst: &Worst) -> Markup {
    let list = |class: &str, word: &str, labels: &[String]| {
        html! {
            @if !labels.is_empty() {
                span class=(class) { (word) " " (labels.join(", ")) }
            }
        }
    };
    let item = |(at, mistake): (usize, &Mistake)| {
        let file = mistake
            .photo
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (x, y) = ((at % COLUMNS) * CELL, (at / COLUMNS) * CELL);
        html! {
            li {
                @if worst.sheet.is_some() {
                    div.photo role="img" aria-label=(file) style={ "background-position:-" (x) "px -" (y) "px" } {}
                }
                b { (at + 1) ". loss " (format!("{:.2}", mistake.loss)) }
                small { (file) }
                (list("missed", "missed:", &mistake.missed))
                (list("wrong", "wrong:", &mistake.wrong))
                (list("right", "right:", &mistake.right))
            }
        }
    };
    html! {
        section id="mistakes" {
            h2 { "Worst mistakes" }
            p { "The photos of the tuning part with the largest loss, which is the mean cross-entropy over labels." }
            @if let Some(note) = &worst.note {
                p.note { "The photos cannot be shown: " (note) }
            }
            ol.mistakes { @for mistake in worst.mistakes.iter().enumerate() { (item(mistake)) } }
        }
    }
}

fn sheet_style(worst: &Worst) -> String {
    worst.sheet.as_ref().map_or_else(String::new, |sheet| {
        format!(
            ".photo{{width:{CELL}px;height:{CELL}px;background-image:url(data:image/jpeg;base64,{})}}",
            STANDARD.encode(sheet)
        )
    })
}

fn origin(record: &Record) -> Markup {
    html! {
        section id="recipe" { h2 { "Recipe" } pre { (record.recipe_text) } }
        section id="provenance" {
            h2 { "Provenance" }
            @match &record.provenance {
                Some(provenance) => {
                    (definitions(&[
                        ("Command", provenance.command.clone()),
                        ("Commit", provenance.commit.clone()),
                        ("SHA-256 of the dataset's manifest", provenance.data_sha256.clone()),
                        ("Device", provenance.device.clone()),
                    ]))
                }
                None => p.note { "Unknown." }
            }
        }
    }
}

/// Style of the page, with the colours of the plots.
const STYLE: &str = "
:root{color-scheme:light dark;--ground:#fff;--ink:#1c2127;--soft:#59636e;--rule:#e4e7eb;--card:#f5f6f8;--up:#0d7a5f;--down:#b3261e;--accent:#0b63b5}
@media(prefers-color-scheme:dark){:root{--ground:#14181d;--ink:#e6e9ed;--soft:#9aa5b1;--rule:#2a3138;--card:#1c2229;--up:#4fcfa8;--down:#ff8a80;--accent:#6bb1f5}}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif}
main{max-width:1000px;margin:0 auto;padding:24px 16px 64px}h1{margin:0 0 12px}h2{margin:40px 0 8px;font-size:20px}
dl{display:flex;flex-wrap:wrap;gap:8px;margin:0}dl div{background:var(--card);border-radius:8px;padding:8px 14px}
dt,small{color:var(--soft);font-size:12px}dd{margin:0;font-weight:600;overflow-wrap:anywhere}
figure{margin:0 0 20px;border:1px solid var(--rule);border-radius:8px;padding:8px;overflow-x:auto}figure svg{display:block;max-width:100%;height:auto}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:5px 12px 5px 0;text-align:left;border-bottom:1px solid var(--rule);white-space:nowrap}th{color:var(--soft);font-size:13px;font-weight:600}
th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid var(--accent)}th[aria-sort=ascending] button:after{content:\" ↑\"}th[aria-sort=descending] button:after{content:\" ↓\"}
.up{color:var(--up)}.down{color:var(--down)}.note{color:var(--down)}pre{background:var(--card);border-radius:8px;padding:14px;overflow-x:auto}
.mistakes{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fill,144px);gap:20px 18px}.mistakes li{overflow-wrap:anywhere;font-size:13px;line-height:1.35}
.mistakes li>*{display:block}.photo{border-radius:6px;margin-bottom:4px}.missed{color:var(--down)}.wrong{color:var(--accent)}.right{color:var(--soft)}
";

/// Script that sorts a table by the pressed heading: numbers first in descending order, words first in ascending order.
const SORT: &str = "
for(const table of document.querySelectorAll('table.sortable'))for(const [i,th] of [...table.tHead.rows[0].cells].entries())
th.querySelector('button').addEventListener('click',()=>{
const of=row=>row.cells[i].dataset.v??row.cells[i].textContent,body=table.tBodies[0],rows=[...body.rows];
const words=rows.length>0&&rows[0].cells[i].dataset.v===undefined;
const up=th.ariaSort==='none'?words:th.ariaSort==='descending';
for(const other of th.parentElement.cells)other.ariaSort='none';th.ariaSort=up?'ascending':'descending';
rows.sort((a,b)=>(words?of(a).localeCompare(of(b)):of(a)-of(b))*(up?1:-1));body.append(...rows)});
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn texts_of_a_run_are_escaped() {
        let mut record = Record::read(Path::new("no-run"));
        record.recipe_text = "name = \"<script>\" # & more".to_owned();
        record.notes = vec!["<b>".to_owned()];
        let content = Content {
            record: &record,
            metrics: Vec::new(),
            plots: Vec::new(),
            labels: &[],
            worst: &Worst::default(),
        };
        let page = page(&content);
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{page}");
        assert!(
            page.contains("name = &quot;&lt;script&gt;&quot; # &amp; more"),
            "{page}"
        );
        assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"), "{page}");
    }
}
