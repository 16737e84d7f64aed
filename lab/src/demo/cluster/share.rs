//! Who owns how many of the units, in a line.

use std::fmt::Write as _;

/// Cells of the bar.
const BAR: usize = 48;
/// Colours of the members on a terminal: green, cyan, magenta as in `gateway top`.
const COLORS: [u8; 3] = [32, 36, 35];

/// Units of each member by its place, and of nobody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shares {
    pub(super) members: Vec<usize>,
    pub(super) nobody: usize,
}

impl Shares {
    /// From counts by number, with 0 for nobody.
    pub(super) fn new(counts: &[usize]) -> Self {
        let (nobody, members) = counts.split_first().map_or((0, &[][..]), |(nobody, members)| (*nobody, members));
        Self { members: members.to_vec(), nobody }
    }

    /// `gw-a  512  gw-b  512  gw-c    -  aaaaaaaabbbbbbbb`; the bar in colours on a terminal.
    pub(super) fn line(&self, colored: bool) -> String {
        let mut text = String::new();
        for (place, units) in self.members.iter().enumerate() {
            let units = if *units == 0 { "-".to_owned() } else { units.to_string() };
            let _ = write!(text, "gw-{} {units:>4}  ", letter(place));
        }
        let all = self.members.iter().sum::<usize>() + self.nobody;
        let mut end = 0;
        let mut cells = 0;
        for (place, units) in self.members.iter().enumerate() {
            end += units;
            let own = (end * BAR + all / 2).checked_div(all).unwrap_or(0) - cells;
            cells += own;
            let _ = match colored {
                true => write!(text, "\x1b[{}m{}\x1b[0m", COLORS[place % COLORS.len()], "█".repeat(own)),
                false => write!(text, "{}", letter(place).to_string().repeat(own)),
            };
        }
        text + &".".repeat(BAR - cells)
    }
}

fn letter(place: usize) -> char {
    char::from(b'a' + (place % 26) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every member has its part of the bar, nobody has the rest, and the bar is as long whatever the parts.
    #[test]
    fn a_bar() {
        let line = |counts: &[usize]| Shares::new(counts).line(false);
        let even = line(&[0, 342, 341, 341]);
        assert_eq!(
            even,
            format!("gw-a  342  gw-b  341  gw-c  341  {}{}{}", "a".repeat(16), "b".repeat(16), "c".repeat(16))
        );
        let lost = line(&[512, 512, 0, 0]);
        assert_eq!(lost, format!("gw-a  512  gw-b    -  gw-c    -  {}{}", "a".repeat(24), ".".repeat(24)));
        assert_eq!(line(&[0, 1, 1022, 1]).len(), even.len());
        assert_eq!(line(&[0, 0, 0]), format!("gw-a    -  gw-b    -  {}", ".".repeat(BAR)));
        let colored = Shares::new(&[0, 512, 512]).line(true);
        assert_eq!(colored.matches('█').count(), BAR);
        assert!(colored.contains("\x1b[32m█") && colored.contains("\x1b[36m█"));
    }
}
