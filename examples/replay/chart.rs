//! A line chart of hit ratio against capacity, written as SVG.
//!
//! The capacity runs on a logarithmic axis: what interests is how small a cache may be, and hit ratios grow with
//! the logarithm of the size. The hit ratio starts at 0, so that heights compare.

use std::fmt::Write;

use crate::report::percent;

/// One line of the chart.
#[derive(Debug, Clone)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// How it is drawn.
    pub pen: Pen,
    /// The hit ratio (0 to 1) at each of the chart's stops.
    pub ratios: Vec<f64>,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pen {
    /// The one the chart is about: drawn last and boldest.
    Hero,
    /// A sibling of it.
    Second,
    /// A familiar baseline.
    Plain,
    /// A bound.
    Dashed,
}

impl Pen {
    /// Colour, line width and dash pattern.
    fn stroke(self) -> (&'static str, f64, &'static str) {
        match self {
            Self::Hero => ("#0a7d55", 3.5, "none"),
            Self::Second => ("#e39a1c", 2.25, "none"),
            Self::Plain => ("#7b8794", 2.25, "none"),
            Self::Dashed => ("#334e68", 1.75, "7 5"),
        }
    }
}

/// Where all lines have a point.
#[derive(Debug, Clone)]
pub struct Stop {
    /// The capacity as a share of the trace in percent, above 0.
    pub percent: f64,
    /// The capacity in words.
    pub words: String,
}

/// All that is drawn.
#[derive(Debug, Clone)]
pub struct Chart {
    /// The headline.
    pub title: String,
    /// A line below it.
    pub subtitle: String,
    /// What the horizontal axis counts.
    pub axis: String,
    /// The points' places, rising.
    pub stops: Vec<Stop>,
    /// Shares in percent to label on the axis, each with its capacity in words.
    pub ticks: Vec<Stop>,
    /// The lines, in the order of the legend.
    pub series: Vec<Series>,
    /// The hit ratio of a cache that holds everything.
    pub ceiling: Option<f64>,
}

/// Width of the picture in pixels.
const WIDTH: f64 = 960.0;
/// Height of the picture.
const HEIGHT: f64 = 600.0;
/// The plot's left edge.
const LEFT: f64 = 82.0;
/// The plot's right edge.
const RIGHT: f64 = 924.0;
/// The plot's upper edge.
const TOP: f64 = 136.0;
/// The plot's lower edge.
const BOTTOM: f64 = 512.0;

/// Colours and type, once for the whole picture.
const STYLE: &str = "\
text{font-family:Inter,'Segoe UI','Helvetica Neue',Arial,'DejaVu Sans',sans-serif;fill:#52606d;font-size:13px}\
.title{font-size:22px;font-weight:600;fill:#1f2933}.strong{fill:#323f4b}.small{font-size:11.5px;fill:#7b8794}\
.grid{stroke:#e4e7eb;stroke-width:1}.axis{stroke:#9aa5b1;stroke-width:1}\
.halo{paint-order:stroke;stroke:#fff;stroke-width:5px;stroke-linejoin:round}";

impl Chart {
    /// The picture.
    pub fn svg(&self) -> String {
        let scale = Scale::of(self);
        let mut svg = Svg::new(&self.title, &self.subtitle);
        svg.label(LEFT - 46.0, 44.0, "title", "start", &self.title);
        svg.label(LEFT - 46.0, 68.0, "", "start", &self.subtitle);
        self.legend(&mut svg);
        self.grid(&mut svg, &scale);
        self.bound(&mut svg, &scale);
        let mut order: Vec<_> = self.series.iter().collect();
        order.sort_by_key(|series| series.pen == Pen::Hero);
        for series in order {
            self.line(&mut svg, &scale, series);
        }
        self.lead(&mut svg, &scale);
        svg.finish()
    }

    /// The names of the lines, above the plot.
    fn legend(&self, svg: &mut Svg) {
        let mut x = LEFT - 46.0;
        for series in &self.series {
            let (colour, width, dash) = series.pen.stroke();
            svg.stroke(&[(x, 100.0), (x + 30.0, 100.0)], colour, width, dash);
            svg.label(x + 38.0, 104.5, "strong", "start", &series.name);
            x += 38.0 + 7.3 * series.name.chars().count() as f64 + 28.0;
        }
    }

    /// Both axes with their labels and the lines across the plot.
    fn grid(&self, svg: &mut Svg, scale: &Scale) {
        for step in 0..=scale.steps {
            let ratio = scale.top * f64::from(step) / f64::from(scale.steps);
            let y = scale.y(ratio);
            svg.rule(if step == 0 { "axis" } else { "grid" }, (LEFT, y), (RIGHT, y));
            svg.label(LEFT - 10.0, y + 4.5, "", "end", &percent(100.0 * ratio));
        }
        for tick in &self.ticks {
            let x = scale.x(tick.percent);
            svg.rule("axis", (x, BOTTOM), (x, BOTTOM + 6.0));
            svg.label(x, BOTTOM + 23.0, "", "middle", &percent(tick.percent));
            svg.label(x, BOTTOM + 40.0, "small", "middle", &tick.words);
        }
        svg.label((LEFT + RIGHT) / 2.0, BOTTOM + 68.0, "strong", "middle", &self.axis);
        svg.turned(LEFT - 62.0, (TOP + BOTTOM) / 2.0, "hit ratio");
    }

    /// The hit ratio of a cache that holds everything.
    fn bound(&self, svg: &mut Svg, scale: &Scale) {
        let Some(ceiling) = self.ceiling else { return };
        let y = scale.y(ceiling);
        svg.stroke(&[(LEFT, y), (RIGHT, y)], "#9fb3c8", 1.25, "1.5 4");
        let words = format!("every key kept: {}", percent(100.0 * ceiling));
        svg.label(LEFT + 8.0, y - 7.0, "small halo", "start", &words);
    }

    /// One line with its points.
    fn line(&self, svg: &mut Svg, scale: &Scale, series: &Series) {
        let (colour, width, dash) = series.pen.stroke();
        let place = |(stop, &ratio): (&Stop, &f64)| (scale.x(stop.percent), scale.y(ratio));
        let points: Vec<_> = self.stops.iter().zip(&series.ratios).map(place).collect();
        svg.stroke(&points, colour, width, dash);
        if series.pen == Pen::Dashed {
            return;
        }
        let radius = width + if series.pen == Pen::Hero { 1.2 } else { 0.8 };
        for ((point, stop), ratio) in points.iter().zip(&self.stops).zip(&series.ratios) {
            let words = format!("{}: {:.2} % at {}", series.name, 100.0 * ratio, stop.words);
            svg.dot(*point, radius, colour, &words);
        }
    }

    /// Marks where the hero leads the plain baseline by most, if that can be seen. Capacities under one percent
    /// do not count: there a handful of entries may decide.
    fn lead(&self, svg: &mut Svg, scale: &Scale) {
        let find = |pen| self.series.iter().find(|series| series.pen == pen);
        let (Some(hero), Some(plain)) = (find(Pen::Hero), find(Pen::Plain)) else { return };
        let leads = hero.ratios.iter().zip(&plain.ratios).map(|(hero, plain)| hero - plain).enumerate();
        let leads = leads.filter(|&(stop, lead)| lead >= 0.02 && self.stops[stop].percent >= 1.0);
        let Some((stop, lead)) = leads.max_by(|a, b| a.1.total_cmp(&b.1)) else { return };
        let x = scale.x(self.stops[stop].percent);
        let (high, low) = (scale.y(hero.ratios[stop]) + 9.0, scale.y(plain.ratios[stop]) - 7.0);
        if low > high {
            svg.stroke(&[(x, high), (x, low)], Pen::Hero.stroke().0, 1.25, "2 3");
        }
        // Hit ratios rise to the right, so there is room below and to the right of a point.
        let words = format!("+{:.1} points over {}", 100.0 * lead, plain.name);
        let x = (x + 10.0).min(RIGHT - 7.3 * words.chars().count() as f64);
        svg.label(x, scale.y(plain.ratios[stop]) + 26.0, "strong halo", "start", &words);
    }
}

/// Where values stand in the picture.
struct Scale {
    /// Logarithms of the shares at the plot's edges.
    from: f64,
    to: f64,
    /// The hit ratio at the plot's upper edge, and the lines up to it.
    top: f64,
    steps: u32,
}

impl Scale {
    /// Fits a chart's points, with some air at both sides.
    fn of(chart: &Chart) -> Self {
        let shares = || chart.stops.iter().map(|stop| stop.percent.ln());
        let (low, high) =
            (shares().fold(f64::INFINITY, f64::min), shares().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 0.0) };
        let air = ((high - low) * 0.025).max(0.1);
        let ratios = chart.series.iter().flat_map(|series| &series.ratios).copied().chain(chart.ceiling);
        let most = ratios.fold(0.0, f64::max).min(1.0);
        let step = if most > 0.4 {
            0.1
        } else if most > 0.16 {
            0.05
        } else {
            0.02
        };
        let steps = ((most / step - 1e-9).ceil() as u32).max(2);
        Self { from: low - air, to: high + air, top: step * f64::from(steps), steps }
    }

    fn x(&self, percent: f64) -> f64 {
        LEFT + (percent.ln() - self.from) / (self.to - self.from) * (RIGHT - LEFT)
    }

    fn y(&self, ratio: f64) -> f64 {
        BOTTOM - ratio / self.top * (BOTTOM - TOP)
    }
}

/// The text of a picture; writing to it cannot fail, since it is a String.
struct Svg(String);

impl Svg {
    fn new(title: &str, description: &str) -> Self {
        let (title, description) = (escaped(title), escaped(description));
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<title>{title}</title>\n<desc>{description}</desc>\n\
             <style>{STYLE}</style>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\" fill=\"#fff\"/>\n"
        ))
    }

    fn label(&mut self, x: f64, y: f64, class: &str, anchor: &str, words: &str) {
        let words = escaped(words);
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        );
    }

    /// A label that reads upwards.
    fn turned(&mut self, x: f64, y: f64, words: &str) {
        let words = escaped(words);
        let _ = writeln!(
            self.0,
            "<text class=\"strong\" text-anchor=\"middle\" transform=\"translate({x:.1} {y:.1}) rotate(-90)\">{words}</text>"
        );
    }

    fn rule(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    fn stroke(&mut self, points: &[(f64, f64)], colour: &str, width: f64, dash: &str) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        let _ = writeln!(
            self.0,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
             stroke-dasharray=\"{dash}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>"
        );
    }

    fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: &str, words: &str) {
        let words = escaped(words);
        let _ = writeln!(
            self.0,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\" stroke=\"#fff\" \
             stroke-width=\"1.5\"><title>{words}</title></circle>"
        );
    }

    fn finish(self) -> String {
        self.0 + "</svg>\n"
    }
}

/// A text as XML allows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
