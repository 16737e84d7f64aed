//! The year as a picture, in SVG: who administers how much of the space, and how much of it is used.

use std::fmt::Write as _;

use gateway_tests::subnets::{DAY, Sample};

use super::MONTHS;
use super::share::NAMES;

const WIDTH: f64 = 1200.0;
/// Room for numbers, and for names.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 60.0;
/// The picture of all, and that of each server.
const TALL: f64 = 300.0;
const LOW: f64 = 130.0;
const GAP: f64 = 50.0;
/// Of what is used, and of what is administered.
const DARK: [&str; 3] = ["#1b7837", "#2166ac", "#8c2d83"];
const LIGHT: [&str; 3] = ["#a6dba0", "#a9cfe8", "#dcb6dc"];
const FREE: &str = "#f2f2f2";
const RESTING: &str = "#d9c9a5";

/// A picture of the samples, one for each day in their order, of a space of so many addresses.
pub(super) fn svg(days: &[Sample], all: u64) -> String {
    let height = TOP + TALL + 3.0 * (GAP + LOW) + 50.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"18\">A /20 among three servers whose subscribers move</text>\n"
    );
    whole(&mut out, days, all);
    for server in 0..NAMES.len() {
        of_server(&mut out, days, server);
    }
    out + "</svg>\n"
}

/// What everybody administers, one above the other; the first server's rest on top.
fn whole(out: &mut String, days: &[Sample], all: u64) {
    let panel = Panel { top: TOP, height: TALL, most: all, days };
    let mut floor = vec![0; days.len()];
    let mut names = Vec::new();
    for server in 0..NAMES.len() {
        let ceiling: Vec<u64> = days.iter().zip(&floor).map(|(day, floor)| floor + day.space[server]).collect();
        panel.area(out, &floor, &ceiling, LIGHT[server]);
        // What is used of it, from below.
        let used: Vec<u64> = days.iter().zip(&floor).map(|(day, floor)| floor + day.hosts[server]).collect();
        panel.area(out, &floor, &used, DARK[server]);
        names.push((NAMES[server], LIGHT[server]));
        floor = ceiling;
    }
    let free: Vec<u64> = days.iter().map(|day| all.saturating_sub(day.free)).collect();
    panel.area(out, &floor, &free, RESTING);
    panel.area(out, &free, &vec![all; days.len()], FREE);
    panel.frame(out, "administered by, dark: used");
    for (index, (name, color)) in names.into_iter().chain([("resting", RESTING), ("free", FREE)]).rev().enumerate() {
        let y = TOP + 20.0 + 22.0 * index as f64;
        let x = WIDTH - RIGHT + 15.0;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{}\" width=\"14\" height=\"14\" fill=\"{color}\" stroke=\"#666\"/><text x=\"{}\" y=\"{y}\">{name}</text>",
            y - 12.0,
            x + 20.0
        );
    }
}

/// What one administers, and what its subscribers use of it.
fn of_server(out: &mut String, days: &[Sample], server: usize) {
    let space: Vec<u64> = days.iter().map(|day| day.space[server]).collect();
    let hosts: Vec<u64> = days.iter().map(|day| day.hosts[server]).collect();
    let most = space.iter().copied().max().unwrap_or(1).next_multiple_of(512);
    let top = TOP + TALL + GAP + (LOW + GAP) * server as f64;
    let panel = Panel { top, height: LOW, most, days };
    let floor = vec![0; days.len()];
    panel.area(out, &floor, &space, LIGHT[server]);
    panel.area(out, &floor, &hosts, DARK[server]);
    panel.frame(out, &format!("server {}: administered, used", NAMES[server]));
}

/// A picture with time to the right and addresses upward.
struct Panel<'d> {
    top: f64,
    height: f64,
    most: u64,
    days: &'d [Sample],
}

impl Panel<'_> {
    fn x(&self, day: f64) -> f64 {
        let year: u64 = MONTHS.iter().map(|(_, length)| length).sum();
        LEFT + (WIDTH - LEFT - RIGHT) * (day / year as f64).min(1.0)
    }

    fn y(&self, addresses: u64) -> f64 {
        self.top + self.height * (1.0 - addresses.min(self.most) as f64 / self.most.max(1) as f64)
    }

    /// What lies between two lines.
    fn area(&self, out: &mut String, floor: &[u64], ceiling: &[u64], color: &str) {
        let x = |index: usize| self.x(self.days[index].at.as_secs_f64() / DAY.as_secs_f64());
        let there = (0..self.days.len()).map(|index| (x(index), self.y(ceiling[index])));
        let back = (0..self.days.len()).rev().map(|index| (x(index), self.y(floor[index])));
        let points: Vec<String> = there.chain(back).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(out, "<polygon points=\"{}\" fill=\"{color}\"/>", points.join(" "));
    }

    fn frame(&self, out: &mut String, title: &str) {
        let (width, bottom) = (WIDTH - LEFT - RIGHT, self.top + self.height);
        let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\">{title}</text>", self.top - 8.0);
        for quarter in 0..=4 {
            let addresses = self.most * quarter / 4;
            let y = self.y(addresses);
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#999\" stroke-width=\"0.5\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"11\">{addresses}</text>",
                LEFT + width,
                LEFT - 6.0,
                y + 4.0
            );
        }
        let mut day = 0;
        for (month, length) in MONTHS {
            let x = self.x(day as f64);
            let _ = writeln!(
                out,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{bottom}\" stroke=\"#999\" stroke-width=\"0.3\"/>\
                 <text x=\"{:.1}\" y=\"{}\" font-size=\"11\">{}</text>",
                self.top,
                x + 4.0,
                bottom + 14.0,
                &month[..3]
            );
            day += length;
        }
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{}\" width=\"{width}\" height=\"{}\" fill=\"none\" stroke=\"#333\"/>",
            self.top, self.height
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u32, space: [u64; 3], free: u64) -> Sample {
        Sample { at: DAY * number, hosts: space.map(|space| space / 2), space, free }
    }

    /// Five layers of all, two of each server; none leaves its frame, and where two meet there is no gap.
    #[test]
    fn areas() {
        let days = [day(0, [1024, 0, 0], 3072), day(182, [1024, 2048, 512], 256), day(364, [0, 0, 4096], 0)];
        let text = svg(&days, 4096);
        let areas: Vec<Vec<(f64, f64)>> = text
            .lines()
            .filter_map(|line| line.strip_prefix("<polygon points=\"")?.split('"').next())
            .map(|points| {
                let pair = |point: &str| {
                    let (x, y) = point.split_once(',').expect("a pair");
                    (x.parse().expect("a number"), y.parse().expect("a number"))
                };
                points.split(' ').map(pair).collect()
            })
            .collect();
        assert_eq!(areas.len(), 3 * 2 + 2 + 3 * 2);
        for (x, y) in areas.iter().flatten() {
            assert!(
                (LEFT..=WIDTH - RIGHT).contains(x) && (TOP..=TOP + TALL + 3.0 * (GAP + LOW)).contains(y),
                "{x} {y}"
            );
        }
        // On the first day a quarter is A's, and the rest is free.
        let (of_a, free) = (&areas[0], &areas[7]);
        assert_eq!((of_a[0].1, of_a[5].1), (TOP + TALL * 0.75, TOP + TALL));
        assert_eq!((free[0].1, free[5].1), (TOP, TOP + TALL * 0.75));
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert_eq!(text.matches("<text").count(), text.matches("</text>").count());
    }

    #[test]
    fn an_empty_year_is_a_picture() {
        assert!(svg(&[], 4096).contains("</svg>"));
    }
}
