//! The invented world: cities, hotels and what each upstream asks for a room. Follows from the seed alone.

use serde::Serialize;

use super::draw::{draw, fraction, of_text};

/// The cities that have hotels; anywhere else the answer is an empty list.
pub const CITIES: [&str; 8] = ["Bologna", "Ghent", "Kraków", "Lisbon", "Ljubljana", "Porto", "Tallinn", "Vienna"];

/// One upstream's answer.
#[derive(Debug, Serialize)]
pub(super) struct Listing {
    upstream: &'static str,
    city: String,
    nights: u32,
    offers: Vec<Offer>,
}

#[derive(Debug, Serialize)]
struct Offer {
    hotel: String,
    district: &'static str,
    stars: u32,
    room: &'static str,
    breakfast: bool,
    free_cancellation: bool,
    /// For the whole stay, as text: the way many APIs send money.
    price: String,
    /// As a number, by which offers can be sorted.
    per_night: u32,
    currency: &'static str,
}

/// What `upstream` has in `city`. An upstream lists about half of a city's hotels, each at its own price, so that comparing pays.
pub(super) fn offers(seed: u64, upstream: &'static str, city: &str, nights: u32) -> Listing {
    let known = CITIES.into_iter().find(|known| known.to_lowercase() == city.trim().to_lowercase());
    let offers = known.map_or_else(Vec::new, |city| {
        let (here, theirs) = (seed ^ of_text(city), seed ^ of_text(city) ^ of_text(upstream).rotate_left(17));
        (0_u64..)
            .zip(HOTELS)
            .filter(|(hotel, _)| fraction(theirs, *hotel) < LISTED)
            .map(|(hotel, name)| {
                let luck = |salt: u64| fraction(theirs, 1000 * salt + hotel);
                let stars = 2 + (draw(here, hotel) % 4) as u32;
                let fair = 38 + 34 * stars + (draw(here, 100 + hotel) % 40) as u32;
                let asked = fair * (86 + (draw(theirs, 1000 + hotel) % 29) as u32) / 100;
                Offer {
                    hotel: name.replace("{city}", city),
                    district: pick(&DISTRICTS, draw(here, 200 + hotel)),
                    stars,
                    room: pick(&ROOMS, draw(theirs, 2000 + hotel)),
                    breakfast: luck(3) < 0.45,
                    free_cancellation: luck(4) < 0.5,
                    // Whole euros a night, so that a person can check the sum.
                    price: format!("{}.00", asked * nights),
                    per_night: asked,
                    currency: "EUR",
                }
            })
            .collect()
    });
    Listing { upstream, city: known.unwrap_or(city).to_owned(), nights, offers }
}

/// The share of a city's hotels that one upstream lists.
const LISTED: f64 = 0.5;

const HOTELS: [&str; 14] = [
    "Hotel Lindenhof",
    "The Old Customs House",
    "Pension Abendstern",
    "Hotel Miramar",
    "Casa Azulejo",
    "Grand Hotel {city}",
    "The Printworks",
    "Hotel am Kanal",
    "Villa Orangerie",
    "Station Hotel {city}",
    "The Glass Blower",
    "Hostel Sieben Betten",
    "Palais Merian",
    "The Quiet Courtyard",
];

const DISTRICTS: [&str; 6] = ["Old Town", "Riverside", "Station Quarter", "Market Square", "University", "Harbour"];

const ROOMS: [&str; 5] = ["Double room", "Twin room", "Queen room", "Junior suite", "Courtyard room"];

fn pick(from: &[&'static str], luck: u64) -> &'static str {
    from[(luck % from.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_has_the_same_answer_and_upstreams_differ() {
        let ask = |upstream| serde_json::to_string(&offers(1, upstream, "lisbon", 2).offers).expect("serialisable");
        assert_eq!(ask("quillow"), ask("quillow"));
        assert_ne!(ask("quillow"), ask("nightjar"));
        assert!(ask("quillow").contains("price"));
    }

    #[test]
    fn every_city_has_offers_at_every_upstream_and_elsewhere_there_are_none() {
        for profile in super::super::standard() {
            for city in CITIES {
                assert!(offers(1, profile.name, city, 1).offers.len() >= 3, "{} in {city}", profile.name);
            }
            assert!(offers(1, profile.name, "Atlantis", 1).offers.is_empty());
        }
    }
}
