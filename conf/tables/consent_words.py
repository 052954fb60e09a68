"""The closed vocabularies of consents: channels, purposes and decisions, with the spellings that sources use.

Spellings are compared by letters and digits alone, without case: ``E-Mail``, ``e_mail`` and ``email`` are one.
A source adds its own under ``consent``. ``mail`` alone may mean letters or e-mail: a refusal of it counts for both.
"""

from __future__ import annotations

import re

#: every channel, every purpose
ALL = "*"
_ALL = """* all any anything everything every both global general alle alles tous toutes todos todas tutti tutte все всё
    любой любые любая любое везде вся allchannels anychannel allpurposes anypurpose все_каналы все_цели wszystkie"""
CHANNELS: dict[str, str] = {
    "email": """email e-mails emails electronic_mail email_marketing email_newsletter courriel correo
        correo_electronico электронная_почта эл_почта эл_письмо имейл емейл эмейл мейл имэйл electronic_post e-post
        mejl sähköposti posta_elettronica emailaddress email_address newsletter_by_email""",
    "sms": """sms text texts text_message text_messages txt mms sms_mms смс смс_сообщения sms_message sms_messages
        mobile_sms short_message""",
    "push": """push push_notification push_notifications web_push app_push mobile_push push_message in_app пуш
        пуш_уведомления пуши""",
    "phone": """phone phone_call phone_calls call calls telephone tel telefon téléphone telefono telefone voice
        telemarketing телефон звонок звонки по_телефону обзвон""",
    "post": """post postal postal_mail direct_mail dm letter letters snail_mail brief briefpost courrier
        correo_postal paper print почтой_россии бумажная_почта письмо_почтой""",
    "mail": "mail mailing_address почта mails posta",
    "messenger": """messenger messengers messaging whatsapp telegram viber wechat line facebook_messenger signal
        мессенджер мессенджеры ватсап вотсап телеграм вайбер вконтакте vk max im chat""",
    ALL: _ALL,
}
PURPOSES: dict[str, str] = {
    "marketing": """marketing newsletter newsletters ads ad advert adverts advertising advertisement promo promos
        promotion promotions promotional commercial offers offer special_offers campaign campaigns mailing mailings
        mailing_list direct_marketing marketing_communications marketing_communication email_marketing
        marketing_emails news discounts deals sale реклама рекламная_рассылка рекламные_рассылки рекламные рассылка
        рассылки маркетинг маркетинговые маркетинговая_рассылка акции скидки новости новостная_рассылка предложения
        спецпредложения werbung publicité publicite publicidad pubblicità pubblicita reklama reclame""",
    "profiling": """profiling personalisation personalization personalised_offers personalized_offers
        personalised_ads personalized_ads targeting профилирование персонализация персональные_предложения""",
    "processing": """processing data_processing personal_data gdpr dsgvo rgpd обработка_персональных_данных
        персональные_данные обработка_данных пдн""",
    "service": """service services transactional transaction orders order_updates order_status delivery account support
        сервисные сервисная транзакционные заказы статус_заказа""",
    "research": "research survey surveys feedback analytics statistics опрос опросы исследования",
    "sharing": "sharing third_party third_parties partners partner партнеры партнёры третьи_лица",
    ALL: _ALL,
}
GRANTED = """yes y true t 1 on opt_in opted_in optin subscribed subscribe granted grant given accepted accept agreed
    agree allowed allow active confirmed consent consented enabled ok да д согласен согласна согласие разрешено
    разрешил подписан подписана подписка истина ja j oui o si sí sì tak"""
REFUSED = """no n false f 0 off opt_out opted_out optout unsubscribed unsubscribe refused refuse denied deny declined
    decline withdrawn withdraw revoked revoke rejected reject blocked disallowed inactive disabled not_granted stop
    do_not_contact dnc bounced complained cleaned нет н отказ отказался отписан отписана отписался отозвано отозван
    запрещено запретил ложь nein non nie"""


def letters(value: str) -> str:
    """Return what spellings are compared by.

    >>> letters(" E-Mail "), letters("opt_out"), letters("*")
    ('email', 'optout', '*')
    """
    return re.sub(r"[^\w*]|_", "", value.lower())


def spellings(words: dict[str, str], more: dict[str, str]) -> dict[str, str]:
    """Return spelling -> word of a vocabulary, the source's own spellings first.

    Args:
        words: of the vocabulary, with their usual spellings.
        more: spelling -> word (or a usual spelling of it) of the source.

    Raises:
        ValueError: a spelling stands for no word of the vocabulary.
    """
    usual = {letters(spelling): word for word, listed in words.items() for spelling in [word, *listed.split()]}
    own = {}
    for spelling, word in more.items():
        if letters(word) not in usual:
            raise ValueError(f"{spelling}: {word} is none of {', '.join(words)}")
        own[letters(spelling)] = usual[letters(word)]
    return usual | own
