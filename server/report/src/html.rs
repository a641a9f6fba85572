//! The one page of a run: everything within it, nothing fetched, readable with scripts switched off.

use super::mistakes::{CELL, COLUMNS, Mistake};
use super::record::Record;
use super::runs::duration;
use super::svg::{escape, inline};
use super::tables::{FigureRow, LabelRow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The worst mistakes as the page shows them.
#[derive(Debug, Default)]
pub struct Worst {
    /// The worst first.
    pub mistakes: Vec<Mistake>,
    /// Their photos as one JPEG.
    pub sheet: Option<Vec<u8>>,
    /// Why there is no sheet.
    pub note: Option<String>,
}

/// Content of the page.
#[derive(Debug)]
pub struct Content<'a> {
    /// The run.
    pub record: &'a Record,
    /// Figures over all labels; none for retrieval.
    pub figures: Vec<FigureRow>,
    /// Finished drawings.
    pub plots: Vec<&'a str>,
    /// Figures of each label; none for retrieval.
    pub labels: &'a [LabelRow],
    /// The worst mistakes; none for retrieval.
    pub worst: &'a Worst,
}

/// The page.
pub fn page(content: &Content<'_>) -> String {
    let name = escape(&content.record.name());
    let mut sections = vec![overview(content.record), figures(content)];
    let plots: String = content
        .plots
        .iter()
        .map(|svg| format!("<figure>{}</figure>\n", inline(svg)))
        .collect();
    sections.push(format!("<section id=\"plots\"><h2>Plots</h2>\n{plots}</section>"));
    if !content.labels.is_empty() {
        sections.push(labels(content.labels));
        sections.push(mistakes(content.worst));
    }
    sections.push(origin(content.record));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{name}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <style>{STYLE}{}</style>\n</head>\n<body>\n<main>\n<h1>{name}</h1>\n{}\n</main>\n<script>{SORT}</script>\n</body>\n</html>\n",
        sheet_style(content.worst),
        sections.join("\n")
    )
}

fn overview(record: &Record) -> String {
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
    let notes: String = record
        .notes
        .iter()
        .map(|note| format!("<p class=\"note\">{}</p>", escape(note)))
        .collect();
    format!("<section id=\"overview\">{}{notes}</section>", definitions(&pairs))
}

fn definitions(pairs: &[(&str, String)]) -> String {
    let pairs: String = pairs
        .iter()
        .map(|(term, text)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(term), escape(text)))
        .collect();
    format!("<dl>{pairs}</dl>")
}

fn figures(content: &Content<'_>) -> String {
    if content.figures.is_empty() {
        let figures = content.record.best().map(|best| &best.figures);
        let rows: String = figures
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("<tr><td>{}</td><td>{value:.4}</td></tr>", escape(name)))
            .collect();
        return format!(
            "<section id=\"figures\"><h2>Figures of the best epoch</h2>\n<p>On the tuning part, which chose the epoch.</p>\n\
             <table><thead><tr><th>figure</th><th>value</th></tr></thead><tbody>{rows}</tbody></table></section>"
        );
    }
    let rows: String = content
        .figures
        .iter()
        .map(|row| {
            format!(
                "<tr><td>{}</td><td><b>{:.4}</b> [{:.4}, {:.4}]</td><td>{:.4}</td><td>{:.4} <small>{}</small></td></tr>",
                escape(&row.name),
                row.ours.value,
                row.ours.low,
                row.ours.high,
                row.half,
                row.guessed,
                escape(row.guess)
            )
        })
        .collect();
    format!(
        "<section id=\"figures\"><h2>Figures beside the constant guess</h2>\n\
         <p>On the tuning part: epoch and thresholds were chosen by these very photos, so the figures are flattered. \
         <code>selvedge evaluate</code> measures on a split that chose nothing. Brackets are 95&#160;% bootstrap intervals.</p>\n\
         <div class=\"wide\"><table><thead><tr><th>figure</th><th>chosen thresholds</th><th>every threshold at 0.5</th>\
         <th>constant guess</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
}

fn labels(rows: &[LabelRow]) -> String {
    let header: String = [
        "label",
        "images",
        "threshold",
        "precision",
        "recall",
        "F2",
        "95 % interval",
        "yes to all",
        "gain",
        "average precision",
    ]
    .iter()
    .map(|name| format!("<th aria-sort=\"none\"><button type=\"button\">{name}</button></th>"))
    .collect();
    let number = |value: f64| {
        if value.is_finite() {
            format!("<td data-v=\"{value}\">{value:.3}</td>")
        } else {
            "<td data-v=\"-1\">–</td>".to_owned()
        }
    };
    let body: String = rows
        .iter()
        .map(|row| {
            let gain = row.f2.value - row.all_positive_f2;
            let sign = if gain > 0.0 { "up" } else { "down" };
            format!(
                "<tr><td>{}</td><td data-v=\"{}\">{}</td>{}{}{}{}<td data-v=\"{}\">{:.3}–{:.3}</td>{}<td data-v=\"{gain}\" class=\"{sign}\">{gain:+.3}</td>{}</tr>\n",
                escape(&row.id),
                row.support,
                row.support,
                number(f64::from(row.threshold)),
                number(row.at.precision),
                number(row.at.recall),
                number(row.f2.value),
                row.f2.high - row.f2.low,
                row.f2.low,
                row.f2.high,
                number(row.all_positive_f2),
                number(row.average_precision),
            )
        })
        .collect();
    format!(
        "<section id=\"labels\"><h2>Labels</h2>\n<p>A press on a heading sorts by it.</p>\n\
         <div class=\"wide\"><table class=\"sortable\"><thead><tr>{header}</tr></thead><tbody>\n{body}</tbody></table></div></section>"
    )
}

fn mistakes(worst: &Worst) -> String {
    let note = worst.note.as_ref().map_or_else(String::new, |note| {
        format!("<p class=\"note\">The photos cannot be shown: {}</p>", escape(note))
    });
    let list = |class: &str, word: &str, labels: &[String]| {
        if labels.is_empty() {
            return String::new();
        }
        format!("<span class=\"{class}\">{word} {}</span>", escape(&labels.join(", ")))
    };
    let shown: String = worst
        .mistakes
        .iter()
        .enumerate()
        .map(|(i, mistake)| {
            let file = mistake.photo.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            let photo = if worst.sheet.is_some() {
                let (x, y) = ((i % COLUMNS) * CELL, (i / COLUMNS) * CELL);
                format!(
                    "<div class=\"photo\" role=\"img\" aria-label=\"{}\" style=\"background-position:-{x}px -{y}px\"></div>",
                    escape(&file)
                )
            } else {
                String::new()
            };
            format!(
                "<li>{photo}<b>{}. loss {:.2}</b><small>{}</small>{}{}{}</li>\n",
                i + 1,
                mistake.loss,
                escape(&file),
                list("missed", "missed:", &mistake.missed),
                list("wrong", "wrong:", &mistake.wrong),
                list("right", "right:", &mistake.right),
            )
        })
        .collect();
    format!(
        "<section id=\"mistakes\"><h2>Worst mistakes</h2>\n<p>The photos of the tuning part with the largest loss, \
         the mean cross-entropy over labels.</p>\n{note}<ol class=\"mistakes\">\n{shown}</ol></section>"
    )
}

fn sheet_style(worst: &Worst) -> String {
    worst.sheet.as_ref().map_or_else(String::new, |sheet| {
        format!(
            ".photo{{width:{CELL}px;height:{CELL}px;background-image:url(data:image/jpeg;base64,{})}}",
            STANDARD.encode(sheet)
        )
    })
}

fn origin(record: &Record) -> String {
    let provenance = record.provenance.as_ref().map_or_else(
        || "<p class=\"note\">Unknown.</p>".to_owned(),
        |provenance| {
            definitions(&[
                ("Command", provenance.command.clone()),
                ("Commit", provenance.commit.clone()),
                ("SHA-256 of the dataset's manifest", provenance.data_sha256.clone()),
                ("Device", provenance.device.clone()),
            ])
        },
    );
    format!(
        "<section id=\"recipe\"><h2>Recipe</h2>\n<pre>{}</pre></section>\n<section id=\"provenance\"><h2>Provenance</h2>\n{provenance}</section>",
        escape(&record.recipe_text)
    )
}

/// The page's colours are the plots'.
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

/// Sorts a table by the column whose heading is pressed: numbers downwards first, words upwards.
const SORT: &str = "
for(const table of document.querySelectorAll('table.sortable'))for(const [i,th] of [...table.tHead.rows[0].cells].entries())
th.querySelector('button').addEventListener('click',()=>{
const of=row=>row.cells[i].dataset.v??row.cells[i].textContent,body=table.tBodies[0],rows=[...body.rows];
const words=rows.length>0&&rows[0].cells[i].dataset.v===undefined;
const up=th.ariaSort==='none'?words:th.ariaSort==='descending';
for(const other of th.parentElement.cells)other.ariaSort='none';th.ariaSort=up?'ascending':'descending';
rows.sort((a,b)=>(words?of(a).localeCompare(of(b)):of(a)-of(b))*(up?1:-1));body.append(...rows)});
";
