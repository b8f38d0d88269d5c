//! Decodes ids and times from integer columns. The domain types stay free of sqlx.

use sqlx::{Database, Decode, Type, error::BoxDynError};

use crate::domain::{
    AnnouncementId, ChannelId, CredentialId, IncidentId, PeerId, ProbeId, RegionId, SourceId, SubmissionId,
    SubscriberId, Timestamp, WindowId,
};

macro_rules! decode_from_i64 {
    ($($name:ident),+) => {$(
        impl<DB: Database> Type<DB> for $name
        where
            i64: Type<DB>,
        {
            fn type_info() -> DB::TypeInfo {
                <i64 as Type<DB>>::type_info()
            }

            fn compatible(info: &DB::TypeInfo) -> bool {
                <i64 as Type<DB>>::compatible(info)
            }
        }

        impl<'r, DB: Database> Decode<'r, DB> for $name
        where
            i64: Decode<'r, DB>,
        {
            fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
                i64::decode(value).map(Self)
            }
        }
    )+};
}

decode_from_i64!(
    AnnouncementId,
    ChannelId,
    CredentialId,
    IncidentId,
    PeerId,
    ProbeId,
    RegionId,
    SourceId,
    SubmissionId,
    SubscriberId,
    Timestamp,
    WindowId
);
