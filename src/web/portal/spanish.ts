// Every word of the portal's pages in Spanish, addressed with «usted».

import type { Words } from './english.ts';

export const spanish: Words = {
  code: 'es',
  name: 'Español',
  locale: 'es-US',
  secureMessages: 'Mensajes seguros',
  error: 'Error',
  help: {
    call: (organization, phone) => `¿Preguntas? Llame a ${organization}: ${phone}`,
    nobody:
      '¿Preguntas? Llame a la oficina que le escribió. Use un número que ya conozca, no uno de un correo electrónico.',
    page: (organization) => `Ayuda de ${organization}`,
    check: 'Cómo comprobar que esto es auténtico',
    languages: 'Idioma',
  },
  start: {
    title: (organization) => `Mensajes seguros de ${organization}`,
    what: (organization) =>
      `${organization} usa este sitio para mensajes con información privada de salud. El mensaje se queda aquí y usted ` +
      'recibe un correo con un enlace. No necesita cuenta ni contraseña.',
    howTitle: 'Cómo abrir un mensaje',
    how: [
      'Abra el enlace del correo.',
      'Pulse el botón. Le enviamos por correo un código de seis dígitos.',
      'Escriba el código en la página. Después puede leer el mensaje, guardar sus archivos y responder.',
    ],
    realTitle: 'Cómo comprobar que un correo es auténtico',
    real: (host) => [
      `El enlace empieza por https://${host}/ y su navegador muestra el mismo nombre en la parte de arriba.`,
      'El correo no trae archivos y no pide contraseñas, números de tarjeta ni pagos.',
      'El correo nombra a la persona que le escribió. Si no espera un mensaje, llame antes y pregunte.',
    ],
    troubleTitle: 'Si no puede abrirlo',
    trouble: [
      '¿No llega el código? Espere unos minutos y mire en la carpeta de correo no deseado. Luego pida un código nuevo.',
      'El código va solo a la dirección a la que se envió el mensaje. Si varias personas leen ese buzón, cada una puede abrir el mensaje.',
      'Un código sirve una sola vez, durante 15 minutos, y solo en la página que lo pidió.',
      '¿El mensaje ya no está o caducó? Pida al remitente que lo ponga de nuevo a su disposición o que lo envíe otra vez.',
    ],
    proof:
      'El código solo demuestra que usted puede leer el correo de esa dirección. Quien lea su buzón también podría abrir el mensaje.',
  },
  door: {
    title: 'Tiene un mensaje seguro',
    from: 'De',
    to: 'Para',
    until: 'Disponible hasta',
    explain: (masked) => `Para abrirlo necesita un código. Lo enviamos a ${masked}.`,
    button: 'Envíenme un código',
    senderTitle: 'Un mensaje seguro que usted envió',
    senderExplain: (masked) =>
      `Aquí ve si se abrió, y puede prolongarlo o retirarlo. Primero enviamos un código a ${masked}.`,
    wrongTitle: '¿Dirección equivocada?',
    wrong:
      'El código va solo a la dirección a la que se envió el mensaje. Si no puede leer el correo allí, pida al remitente ' +
      'que envíe el mensaje a otra dirección.',
    phone: (phone) => `También puede llamar al ${phone}.`,
  },
  codePage: {
    title: 'Escriba el código',
    sent: (masked) => `Enviamos un código a ${masked}. Puede tardar uno o dos minutos.`,
    word: 'El correo con su código muestra esta palabra:',
    wordWhy: 'Si muestra otra palabra, el código es de otra página.',
    label: 'Código de seis dígitos',
    hint: (time) => `Sirve una sola vez, solo en esta página, hasta las ${time} (15 minutos).`,
    tries: 'Tiene 5 intentos.',
    button: 'Abrir el mensaje',
    senderButton: 'Ver el estado del mensaje',
    wrong: (left) => `Ese no es el código. ${left === 1 ? 'Queda 1 intento' : `Quedan ${left} intentos`}.`,
    empty: 'Escriba los seis dígitos del correo.',
    againTitle: '¿No llega el correo?',
    again: 'Mire en la carpeta de correo no deseado, o pida un código nuevo.',
    againButton: 'Enviar un código nuevo',
  },
  over: {
    title: 'Este código ya no sirve',
    explain: 'Ya se usó, tiene más de 15 minutos o hubo demasiados intentos. Pida uno nuevo.',
  },
  tooMany: {
    title: 'Demasiados códigos',
    explain: 'Se enviaron varios códigos en poco tiempo. Use el más reciente, o espere una hora y pida otro.',
    back: 'Volver',
  },
  slow: {
    title: 'Demasiadas solicitudes',
    explain: 'Hubo muchas solicitudes desde su red en poco tiempo. Espere un minuto e inténtelo de nuevo.',
  },
  busy: {
    title: 'Hay mucha actividad en este momento',
    explain:
      'Aquí se están abriendo muchos mensajes y archivos. Los suyos están seguros. Espere unos minutos e inténtelo de nuevo.',
  },
  unknown: {
    title: 'Aquí no hay ningún mensaje',
    explain: 'El enlace no está completo, o el mensaje ya no se guarda aquí.',
    todo: [
      'Abra otra vez el enlace del correo. Si ocupa dos líneas, copie las dos.',
      'Si sigue sin funcionar, pida a la persona que le escribió que envíe el mensaje otra vez.',
    ],
  },
  expired: {
    title: 'Este mensaje caducó',
    explain: (date) => `Estuvo disponible hasta el ${date}.`,
    todo: (from) =>
      `Pida a ${from} que lo ponga de nuevo a su disposición. Después, el mismo enlace vuelve a funcionar.`,
  },
  retracted: {
    title: 'Este mensaje fue retirado',
    explain: 'El remitente, o su oficina, lo retiró. Ya no se puede abrir.',
    todo: (from) => `Si todavía lo necesita, pregunte a ${from}.`,
  },
  ended: {
    title: 'Abra el mensaje de nuevo',
    explain: 'Por su seguridad, un mensaje queda abierto solo un tiempo limitado y se cierra cuando usted sale.',
    todo: 'Abra otra vez el enlace del correo y pida un código nuevo.',
    text: 'Su respuesta no se envió. Copie el texto antes de salir de esta página:',
  },
  message: {
    noSubject: 'Mensaje',
    from: 'De',
    date: 'Enviado',
    until: 'Disponible hasta',
    heading: 'El mensaje',
    frame: 'Texto del mensaje',
    alone: 'Abrir el texto en una página propia (más grande, y para imprimir)',
    plain: 'Mostrar como texto sin formato',
    cut: 'Este texto es muy largo y se muestra en parte. El texto completo está entre los archivos.',
    empty: 'No hay texto que mostrar.',
    files: 'Archivos',
    filesHint: 'Guarde un archivo solo en un dispositivo de confianza.',
    download: 'Guardar',
    leave: 'Cerrar el mensaje',
    leaveHint:
      'En un dispositivo compartido, cierre el mensaje cuando termine. Pasado un tiempo se cierra por sí solo.',
  },
  reply: {
    title: 'Responder',
    label: (from) => `Su respuesta a ${from}`,
    hint: 'Llega al remitente de forma protegida. Hasta 10.000 caracteres, sin archivos. Envíela antes de que se cierre esta página.',
    button: 'Enviar la respuesta',
    empty: 'Escriba primero su respuesta.',
    tooLong: 'La respuesta es demasiado larga. Acórtela, por favor.',
    tooMany: 'Hoy envió muchas respuestas. Envíe esta otra vez mañana, o llame.',
    noSender: 'Este mensaje no se puede responder aquí.',
    failed: 'La respuesta no se envió',
    back: 'Volver al mensaje',
    sentTitle: 'Su respuesta fue enviada',
    sent: (from) => `Va en camino a ${from}.`,
  },
  desk: {
    title: (recipient) => `Mensaje para ${recipient}`,
    state: 'Estado',
    states: {
      waiting: 'Todavía sin abrir',
      opened: 'Abierto',
      replied: 'Respondido',
      expired: 'Caducado: no se puede abrir hasta que usted lo prolongue',
      retracted: 'Retirado',
      deleted: 'Eliminado',
    },
    sent: 'Enviado',
    opened: 'Abierto por primera vez',
    replied: 'Respondido',
    never: 'Todavía no',
    until: 'Disponible hasta',
    extendTitle: 'Prolongarlo',
    extendLabel: 'Disponible durante',
    days: (days) => `${days} días desde hoy`,
    extendButton: 'Cambiar la fecha',
    extended: (date) => `Hecho. El mensaje está disponible hasta el ${date}.`,
    badDays: 'Elija un número de días de la lista.',
    retractTitle: 'Retirarlo',
    retractHint: 'Después nadie puede abrirlo. No se puede deshacer.',
    retractButton: 'Retirar …',
    confirmTitle: '¿Retirar este mensaje?',
    confirm: (recipient) => `${recipient} ya no podrá abrirlo. No se puede deshacer.`,
    confirmRead: 'Ya se abrió: lo que se leyó o se guardó queda en manos del lector.',
    confirmButton: 'Sí, retirarlo',
    keep: 'No, dejarlo',
    retractedTitle: 'El mensaje fue retirado',
    retracted: 'Ya no se puede abrir. Su enlace lleva a una página que lo dice.',
    leave: 'Cerrar esta página',
  },
  left: {
    title: 'Cerrado',
    explain: 'Para abrir el mensaje otra vez, use el enlace del correo.',
  },
  tooLarge: {
    title: 'Era demasiado texto',
    explain: 'No se envió nada. Vuelva atrás en su navegador, acorte el texto y envíelo otra vez.',
  },
  failed: {
    title: 'Algo falló aquí',
    explain: 'Es culpa nuestra, no suya. No se perdió nada. Inténtelo de nuevo en unos minutos.',
  },
  refused: {
    title: 'Esta solicitud no fue aceptada',
    explain: 'No vino de una página de este sitio. Abra el enlace del correo y use los botones de la página.',
  },
};
