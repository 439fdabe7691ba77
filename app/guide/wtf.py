"""A form as a class: nine kinds of fields, six validators."""

from __future__ import annotations

from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DecimalField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    StringField,
    SubmitField,
    TextAreaField,
)
from wtforms.validators import URL, DataRequired, Email, IPAddress, Length, NumberRange, Optional

from app.guide.chapter import Chapter

chapter = Chapter(
    "wtf",
    __name__,
    title="Forms with WTF",
    summary="A form defined once, as a class, that renders itself and validates what comes back.",
)


class ContactForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Name and e-mail address must be given; what else is given must be right."""

    name = StringField("Name of student", [DataRequired("Please enter your name."), Length(max=100)])
    gender = RadioField("Gender", [Optional()], choices={"M": "Male", "F": "Female"})
    address = TextAreaField("Address", [Length(max=200)])
    email = StringField(
        "Email",
        [DataRequired("Please enter your email address."), Email("Please enter your email address.")],
        render_kw={"type": "email"},
    )
    age = IntegerField("Age", [Optional(), NumberRange(0, 150)])
    height = DecimalField("Height in metres", [Optional(), NumberRange(0, 3)], render_kw={"step": "0.01"})
    homepage = StringField("Homepage", [Optional(), URL()], render_kw={"type": "url"})
    computer = StringField("IP address of your computer", [Optional(), IPAddress(ipv4=True, ipv6=True)])
    language = SelectField("Language", choices={"cpp": "C++", "py": "Python"})
    password = PasswordField(
        "Password", [Optional(), Length(8, 100)], render_kw={"autocomplete": "new-password"}
    )
    newsletter = BooleanField("Send me the newsletter")
    submit = SubmitField("Send")


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page()


@chapter.route("/contact", methods=["GET", "POST"])
def contact() -> ResponseReturnValue:
    form = ContactForm()
    if form.validate_on_submit():
        return chapter.render("wtf-success.html", form=form)
    return chapter.render("wtf-contact.html", form=form), 400 if form.errors else 200
