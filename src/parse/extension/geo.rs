//! Places: `GeoRSS` simple, GML and the W3C vocabulary. What comes in is latitude first, what goes out longitude first.

use crate::model::entry::Geo;
use crate::parse::draft::EntryDraft;
use crate::parse::value::excerpt;
use crate::parse::xml::{Level, Ns, Reader, Tag};

/// Longer paths than this are not kept.
const MOST_NUMBERS: usize = 20_000;

/// How a geometry is written in two of the vocabularies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Point,
    Line,
    Polygon,
    Box,
}

/// `georss:`, `gml:` and `geo:` in an entry.
pub(super) fn entry(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, tag: &Tag<'_>) {
    match (tag.ns, &*tag.local) {
        (Ns::Georss, "point") => simple(r, draft, tag.level, Shape::Point),
        (Ns::Georss, "line") => simple(r, draft, tag.level, Shape::Line),
        (Ns::Georss, "polygon") => simple(r, draft, tag.level, Shape::Polygon),
        (Ns::Georss, "box") => simple(r, draft, tag.level, Shape::Box),
        (Ns::Georss, "where") => {
            while let Some(child) = r.child(tag.level) {
                gml(r, draft, &child);
            }
        }
        (Ns::Gml, _) => gml(r, draft, tag),
        (Ns::Geo, "point") => {
            while let Some(child) = r.child(tag.level) {
                coordinate(r, draft, &child);
            }
        }
        (Ns::Geo, _) => coordinate(r, draft, tag),
        _ => {}
    }
}

fn simple(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, level: Level, shape: Shape) {
    let value = r.value(level);
    let geometry = numbers(&value).and_then(|list| geometry(shape, &list, 2, false));
    take(r, draft, geometry, &value);
}

/// A GML geometry: its numbers stand in `pos`, `posList`, `lowerCorner`/`upperCorner` or `coordinates` below it.
fn gml(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, tag: &Tag<'_>) {
    let shape = match &*tag.local {
        "point" => Shape::Point,
        "linestring" => Shape::Line,
        "polygon" => Shape::Polygon,
        "envelope" => Shape::Box,
        _ => return,
    };
    let swapped = r.attr("srsName").is_some_and(|name| longitude_first(&name));
    let dimension = if r
        .attr("srsDimension")
        .is_some_and(|dimension| dimension.trim() == "3")
    {
        3
    } else {
        2
    };
    let mut text = String::new();
    let mut dimension_below = dimension;
    positions(r, tag.level, &mut text, &mut dimension_below, 0);
    let geometry = numbers(&text).and_then(|list| geometry(shape, &list, dimension_below, swapped));
    take(r, draft, geometry, &text);
}

/// EPSG codes of projected systems put east before north.
fn longitude_first(name: &str) -> bool {
    let code: u32 = name
        .rsplit([':', '#', '/'])
        .next()
        .and_then(|code| code.trim().parse().ok())
        .unwrap_or(4326);
    !(4000..5000).contains(&code)
}

fn positions(
    r: &mut Reader<'_>,
    level: Level,
    text: &mut String,
    dimension: &mut usize,
    depth: u8,
) {
    while let Some(tag) = r.child(level) {
        match &*tag.local {
            "pos" | "poslist" | "lowercorner" | "uppercorner" | "coordinates" => {
                if r.attr("srsDimension")
                    .or_else(|| r.attr("dimension"))
                    .is_some_and(|value| value.trim() == "3")
                {
                    *dimension = 3;
                }
                let value = r.value(tag.level);
                if text.len() + value.len() < MOST_NUMBERS * 12 {
                    text.push(' ');
                    text.push_str(&value);
                }
            }
            // Only the outer ring: GeoRSS knows no holes.
            "interior" => {}
            _ if depth < 6 => positions(r, tag.level, text, dimension, depth + 1),
            _ => {}
        }
    }
}

/// `geo:lat`, `geo:long` and `geo:alt`, which come one by one.
fn coordinate(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, tag: &Tag<'_>) {
    let place = match &*tag.local {
        "lat" => 0,
        "long" | "lon" => 1,
        "alt" => 2,
        _ => return,
    };
    let value = r.value(tag.level);
    if value.is_empty() {
        return;
    }
    match value
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
    {
        Some(number) if draft.position[place].is_none() => draft.position[place] = Some(number),
        Some(_) => {}
        None => r.bad(&value, "coordinate"),
    }
}

/// A point from latitude, longitude and altitude; `None` off the globe.
pub(in crate::parse) fn point(latitude: f64, longitude: f64, altitude: Option<f64>) -> Option<Geo> {
    let mut position = vec![longitude, latitude];
    position.extend(altitude);
    on_earth(&position).then_some(Geo::Point(position))
}

fn take(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, geometry: Option<Geo>, value: &str) {
    match geometry {
        Some(geometry) => draft.geo.offer(0, Some(geometry)),
        None if value.trim().is_empty() => {}
        None => r.bad(&excerpt(value.trim()), "geometry"),
    }
}

/// Numbers between white space or commas; `None` if anything else is there.
fn numbers(text: &str) -> Option<Vec<f64>> {
    let parts = text
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|part| !part.is_empty());
    let list: Option<Vec<f64>> = parts
        .take(MOST_NUMBERS)
        .map(|part| part.parse::<f64>().ok().filter(|number| number.is_finite()))
        .collect();
    list.filter(|list| !list.is_empty())
}

fn geometry(shape: Shape, list: &[f64], dimension: usize, swapped: bool) -> Option<Geo> {
    // A single position may carry its elevation without saying so.
    let dimension = if shape == Shape::Point && list.len() == 3 {
        3
    } else {
        dimension
    };
    if !list.len().is_multiple_of(dimension) {
        return None;
    }
    let position = |chunk: &[f64]| {
        let mut position = chunk.to_vec();
        if !swapped {
            position.swap(0, 1);
        }
        position
    };
    let mut path: Vec<Vec<f64>> = list.chunks(dimension).map(position).collect();
    if !path.iter().all(|position| on_earth(position)) {
        return None;
    }
    match shape {
        Shape::Point => (path.len() == 1).then(|| Geo::Point(path.swap_remove(0))),
        Shape::Line => (path.len() >= 2).then_some(Geo::LineString(path)),
        Shape::Polygon => {
            if path.len() == 3 || path.first() != path.last() {
                path.push(path[0].clone());
            }
            (path.len() >= 4).then(|| Geo::Polygon(vec![path]))
        }
        Shape::Box => {
            let [lower, upper] = path.as_slice() else {
                return None;
            };
            let (west, south, east, north) = (lower[0], lower[1], upper[0], upper[1]);
            Some(Geo::Polygon(vec![vec![
                vec![west, south],
                vec![east, south],
                vec![east, north],
                vec![west, north],
                vec![west, south],
            ]]))
        }
    }
}

fn on_earth(position: &[f64]) -> bool {
    matches!(position, [longitude, latitude, ..] if longitude.abs() <= 360.0 && latitude.abs() <= 90.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simple_shape(shape: Shape, text: &str) -> Option<Geo> {
        geometry(shape, &numbers(text)?, 2, false)
    }

    #[test]
    fn latitude_comes_in_first_and_goes_out_second() {
        assert_eq!(
            simple_shape(Shape::Point, " 36.9382 31.1732 "),
            Some(Geo::Point(vec![31.1732, 36.9382]))
        );
        assert_eq!(
            simple_shape(Shape::Line, "1 2, 3 4"),
            Some(Geo::LineString(vec![vec![2.0, 1.0], vec![4.0, 3.0]]))
        );
        let corner = |x: f64, y: f64| vec![x, y];
        let ring = vec![
            corner(2.0, 1.0),
            corner(4.0, 1.0),
            corner(4.0, 3.0),
            corner(2.0, 3.0),
            corner(2.0, 1.0),
        ];
        assert_eq!(
            simple_shape(Shape::Box, "1 2 3 4"),
            Some(Geo::Polygon(vec![ring]))
        );
    }

    #[test]
    fn what_is_no_place_is_absent() {
        for (shape, text) in [
            (Shape::Point, "1"),
            (Shape::Point, "a b"),
            (Shape::Point, "100 2"),
            (Shape::Line, "1 2"),
            (Shape::Line, "1 2 3"),
            (Shape::Box, "1 2"),
            (Shape::Polygon, "1 2 3 4"),
        ] {
            assert_eq!(simple_shape(shape, text), None, "{text}");
        }
    }

    #[test]
    fn projected_systems_put_east_first() {
        assert!(longitude_first("EPSG:26913"));
        assert!(!longitude_first("urn:ogc:def:crs:EPSG::4326"));
    }
}
