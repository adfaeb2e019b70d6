//! Before anything is rendered: whether an address may be read, under which spelling it stands, and what it depends on.

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use super::address::{List, Request, Route, month_name};
use super::cache::Depends;
use super::gather;
use super::names::Names;
use super::{Error, Settings};
use crate::text;

/// Who may read it: private sources only through an output that has a token.
pub(super) fn allowed(settings: &Settings, request: &Request) -> Result<(), Error> {
    let nothing = || Error::NotFound("There is nothing at this address.".to_owned());
    let Some(list) = request.list() else {
        return Ok(());
    };
    if let Route::Feed(_, _, format) = &request.route
        && !settings.formats(list).contains(format)
    {
        return Err(nothing());
    }
    match (list, &request.token) {
        (List::Output(id), Some(secret)) => {
            let hash: [u8; 32] = Sha256::digest(secret).into();
            let output = settings.output(id).ok_or_else(nothing)?;
            let opens = output
                .tokens
                .iter()
                .fold(false, |opens, token| opens | token.opens_for(&hash));
            opens.then_some(()).ok_or_else(nothing)
        }
        (List::Output(id), None) => match settings.output(id) {
            Some(output) if !output.restricted => Ok(()),
            _ => Err(Error::NotFound(format!("There is no output `{id}`."))),
        },
        (List::Source(id), _) if settings.source(id).is_some_and(super::Facts::is_private) => {
            Err(Error::NotFound(format!("There is no source `{id}`.")))
        }
        _ => Ok(()),
    }
}

/// What a document depends on.
pub(super) fn depends(settings: &Settings, request: &Request) -> Depends {
    match &request.route {
        Route::Feed(list, ..) | Route::Page(list) => Depends::Scope(gather::scope(settings, list)),
        Route::Article(id) => Depends::Article(*id),
        Route::Tags | Route::Categories | Route::OwnOpml | Route::Moved(_) => Depends::Everything,
        Route::Sources | Route::Opml => Depends::Sources,
    }
}

/// The address in the right spelling of its label, if it is another; query and all the rest stay.
pub(super) fn respelt(settings: &Settings, names: &Names, request: &Request) -> Option<String> {
    let list = request.list()?;
    let right = match list {
        List::Tag(name) => {
            let right: String = names
                .tag(settings, &settings.tag_key(name))?
                .nfc()
                .collect();
            (right != *name).then_some(List::Tag(right))?
        }
        List::Category(name) => {
            let right: String = names.category(settings, &text::key(name))?.nfc().collect();
            (right != *name).then_some(List::Category(right))?
        }
        _ => return None,
    };
    let mut to = format!("{}{}", request.prefix(), right.stem());
    if let Route::Feed(_, month, format) = &request.route {
        if let Some(month) = month {
            to = format!("{to}/{}", month_name(*month));
        }
        to = format!("{to}.{}", format.ending());
    }
    if let Some((_, query)) = request.asked.split_once('?') {
        to = format!("{to}?{query}");
    }
    Some(to)
}
